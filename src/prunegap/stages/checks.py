"""Whether a model can take a data set's images."""

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
