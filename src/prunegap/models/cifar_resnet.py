"""Residual networks for 32 x 32 images (He et al. 2016, Section 4.2), with 1x1-convolution shortcuts.

Three stages of 16, 32 and 64 channels; `blocks` basic blocks a stage make 6 * blocks + 2 layers. Modules are
named as in the public CIFAR weights (``layer2.0.downsample.1.weight``), so that those load as they are.
"""

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut.

    The shortcut is the identity, or a 1x1 convolution and a batch norm where the stride or the width changes.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of ``channels`` channels, ``stride`` times smaller."""
        hidden = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        return functional.relu(self.bn2(self.conv2(hidden)) + self.downsample(features), inplace=True)


class CifarResNet(nn.Module):
    """A convolution, three stages of residual blocks, a mean over all pixels, a linear classifier.

    Args:
        blocks: residual blocks of each of the three stages.
        num_classes: outputs.
        in_channels: channels of the images.
    """

    def __init__(self, blocks: tuple[int, int, int], num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layer1 = stage(WIDTHS[0], WIDTHS[0], blocks[0], stride=1)
        self.layer2 = stage(WIDTHS[0], WIDTHS[1], blocks[1], stride=2)
        self.layer3 = stage(WIDTHS[1], WIDTHS[2], blocks[2], stride=2)
        self.fc = nn.Linear(WIDTHS[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of a batch of images."""
        features = functional.relu(self.bn1(self.conv1(images)), inplace=True)
        features = self.layer3(self.layer2(self.layer1(features)))
        return self.fc(features.mean(dim=(2, 3)))


def stage(in_channels: int, channels: int, blocks: int, *, stride: int) -> nn.Sequential:
    """Return ``blocks`` residual blocks; the first one changes width and resolution."""
    first = ResidualBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(ResidualBlock(channels, channels, 1) for _ in range(blocks - 1)))


def cifar_resnet(blocks: int, num_classes: int, in_channels: int, image_size: int) -> CifarResNet:  # noqa: ARG001
    """Build a network with as many blocks in each stage; it takes images of any size."""
    return CifarResNet((blocks, blocks, blocks), num_classes, in_channels)


cifar_resnet20 = partial(cifar_resnet, 3)
cifar_resnet32 = partial(cifar_resnet, 5)
cifar_resnet44 = partial(cifar_resnet, 7)
cifar_resnet56 = partial(cifar_resnet, 9)
