"""Whether a model can take a data set's images."""

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
