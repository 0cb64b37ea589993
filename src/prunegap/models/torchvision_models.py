"""Networks that torchvision defines, untrained, with a classifier of our number of classes."""

import importlib

from torch import nn

from prunegap.errors import UserError

TORCHVISION_NAMES = ("mobilenet_v2", "resnet18", "resnet34", "resnet50", "vgg19")


def torchvision_model(name: str, num_classes: int, in_channels: int) -> nn.Module:
    """Build one of :data:`TORCHVISION_NAMES`; ``vgg19`` is the one without batch norm.

    Raises:
        UserError: the images have not three channels.
    """
    if in_channels != 3:
        raise UserError(
            f"model '{name}' takes images of 3 channels, got in_channels {in_channels}; "
            "set prepare_data's channels to 3"
        )
    models = importlib.import_module("torchvision.models")  # takes a second: only when such a model is asked for
    return getattr(models, name)(weights=None, num_classes=num_classes)
