"""A ModelSpec becomes a network: ours, torchvision's or the user's own."""

from torch import nn

from prunegap.errors import UserError, did_you_mean
from prunegap.models.cifar_resnet import CIFAR_BLOCKS, CifarResNet
from prunegap.models.dry_run import check_dimensions
from prunegap.models.own_builder import build_own
from prunegap.models.small_cnn import SmallCnn
from prunegap.models.spec import ModelSpec
from prunegap.models.torchvision_models import TORCHVISION_NAMES, torchvision_model

CIFAR_NAMES = {f"cifar_resnet{layers}": blocks for layers, blocks in CIFAR_BLOCKS.items()}
NAMES = ("small_cnn", *CIFAR_NAMES, *TORCHVISION_NAMES)


def build(spec: ModelSpec) -> nn.Module:
    """Build the network of a spec with fresh weights, drawn from torch's global random state.

    Args:
        spec: one of :data:`NAMES` or ``package.module:function``, and the dimensions of the data.

    Returns:
        The network in training mode, on the default device. It maps ``(n, *image_shape)`` to
        ``(n, num_classes)``: one dry forward has checked that.

    Raises:
        UserError: an unknown name, a builder that is absent or returns no network, a number of channels or an
            image size the network cannot take.
    """
    if ":" in spec.name:
        model = build_own(spec)
    elif spec.name == "small_cnn":
        model = SmallCnn(spec.num_classes, spec.in_channels)
    elif spec.name in CIFAR_NAMES:
        blocks = CIFAR_NAMES[spec.name]
        model = CifarResNet((blocks, blocks, blocks), spec.num_classes, spec.in_channels)
    elif spec.name in TORCHVISION_NAMES:
        model = torchvision_model(spec.name, spec.num_classes, spec.in_channels)
    else:
        hint = did_you_mean(spec.name, NAMES)
        raise UserError(f"unknown model '{spec.name}'{hint} (your own is written package.module:function)")
    check_dimensions(model, spec)
    return model
