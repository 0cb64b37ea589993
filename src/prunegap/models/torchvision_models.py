"""Networks that torchvision defines, untrained, with a classifier of our number of classes."""

import importlib
from functools import partial

from torch import nn

from prunegap.errors import UserError


def torchvision_model(name: str, num_classes: int, in_channels: int, image_size: int) -> nn.Module:  # noqa: ARG001
    """Build the network that torchvision calls so; it checks the image size itself.

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


mobilenet_v2 = partial(torchvision_model, "mobilenet_v2")
resnet18 = partial(torchvision_model, "resnet18")
resnet34 = partial(torchvision_model, "resnet34")
resnet50 = partial(torchvision_model, "resnet50")
vgg19 = partial(torchvision_model, "vgg19")  # the one without batch norm
