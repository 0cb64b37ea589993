"""The recordings' networks as a user's own: built by name, taking images."""

import itertools

from torch import Tensor, nn

from prunegap.models.cifar_resnet import CifarResNet

HIDDEN = (10, 10, 8)


class Flattened(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        return super().forward(input.flatten(1))


def mlp(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """Linear 12-10, ReLU, Linear 10-10, ReLU, Linear 10-8, ReLU, Linear 8-5 on flattened 3x2x2 images."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise([in_channels * image_size**2, *HIDDEN, num_classes]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return Flattened(*layers[:-1])


def resnet(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """One block a stage."""
    return CifarResNet((1, 1, 1), num_classes, in_channels)
