"""A small network for small images: two convolutions and three linear layers, as in Tran et al. (2022).

The paper names the layers and not their sizes; these are ours. The average pool in the middle gives the
first linear layer 64 x 4 x 4 inputs whatever the image size: 8 x 8 and 64 x 64 images cost the same weights.
Nothing works in place: T22's Hessian eigenvalues differentiate through this network twice.
"""

import torch
from torch import Tensor, nn

POOLED = 4


def small_cnn(num_classes: int, in_channels: int, image_size: int) -> "SmallCnn":  # noqa: ARG001 - as all builders
    """Build the network, which takes images of any size."""
    return SmallCnn(num_classes, in_channels)


class SmallCnn(nn.Module):
    """3x3 convolutions of 32 and 64 filters, each halved by a max pool, then linear 256, 128, classes.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
    """

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.halve = nn.MaxPool2d(2)
        self.pool = nn.AdaptiveAvgPool2d(POOLED)
        self.linear1 = nn.Linear(64 * POOLED**2, 256)
        self.linear2 = nn.Linear(256, 128)
        self.linear3 = nn.Linear(128, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of a batch of images, at least 4 x 4 pixels."""
        features = self.halve(torch.relu(self.conv1(images)))
        features = self.halve(torch.relu(self.conv2(features)))
        features = self.pool(features).flatten(1)
        features = torch.relu(self.linear1(features))
        return self.linear3(torch.relu(self.linear2(features)))
