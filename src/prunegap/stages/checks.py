"""Whether artifacts that meet in a stage belong together."""

from pathlib import Path

from prunegap.artifacts.manifest import read_manifest
from prunegap.data.grouped import GroupedDataset
from prunegap.errors import UserError
from prunegap.models.spec import ModelSpec


def require_fit(spec: ModelSpec, dataset: GroupedDataset) -> None:
    """Refuse a model whose classes or input dimensions are not the data set's.

    Raises:
        UserError: naming both.
    """
    channels, size, _ = dataset.image_shape
    ours = (dataset.num_classes, channels, size)
    if (spec.num_classes, spec.in_channels, spec.image_size) != ours:
        raise UserError(
            f"model {spec.name} takes {spec.in_channels}x{spec.image_size}x{spec.image_size} images of "
            f"{spec.num_classes} classes, the data set has {channels}x{size}x{size} of {ours[0]}; "
            "give the model and data set of the same run"
        )


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
