"""Whether artifacts that meet in a stage belong together."""

from pathlib import Path

from prunegap.artifacts.manifest import read_manifest
from prunegap.data.grouped import GroupedDataset
from prunegap.data.matching import seen_as
from prunegap.errors import UserError
from prunegap.models.spec import ModelSpec


def seen_by(spec: ModelSpec, dataset: GroupedDataset) -> GroupedDataset:
    """Return the data set as a model sees it: labels numbered as its scores, images normalised as it learned.

    Raises:
        UserError: images of another size or other channels, classes that the model does not know, or a model
            that does not say what it means.
    """
    if spec.image_shape != dataset.image_shape:
        theirs, ours = ("x".join(map(str, shape)) for shape in (spec.image_shape, dataset.image_shape))
        raise UserError(
            f"model {spec.name} takes {theirs} images (channels x height x width), the data set's are {ours}; "
            "give the model and data set of the same run"
        )
    if not spec.has_meaning:
        raise UserError(
            f"model {spec.name} was stored without the names of its classes and its normalisation (by an older "
            "prunegap): make it again with acquire_dense, from its weights and what they mean"
        )
    return seen_as(dataset, class_names=spec.class_names, channel_mean=spec.channel_mean, channel_std=spec.channel_std)


def require_same_source(artifact: Path, kind: str, name: str, source: Path, source_kind: str) -> None:
    """Refuse an artifact that was made from another ``source`` (a data set, a dense model) than the one given.

    Raises:
        UserError: naming both artifacts.
    """
    made_from = read_manifest(artifact, kind).inputs.get(name)
    if made_from is not None and made_from != read_manifest(source, source_kind).digest:
        raise UserError(
            f"{artifact}: this {kind} was made from another {source_kind} than {source}; give those of one run"
        )
