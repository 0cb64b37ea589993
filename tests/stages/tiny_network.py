"""A network of one's own for the stages' tests, which notes what it is run on."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

LAYOUTS = {True: "channels last", False: "channels first"}


@dataclass(frozen=True)
class Seen:
    """One forward pass."""

    training: bool
    examples: int
    input_layout: str
    weight_layout: str
    activations: torch.dtype
    threads: int


SEEN: list[Seen] = []


class TinyNetwork(nn.Module):
    """Two convolutions, the second with a batch norm, dropout, and three linear layers."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 4, 3, padding=1, stride=2)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.dropout = nn.Dropout(0.2)
        self.linear1 = nn.Linear(96, 12)
        self.linear2 = nn.Linear(12, 8)
        self.head = nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of 8x8 images."""
        features = torch.relu(self.norm(self.conv2(torch.relu(self.conv1(images)))))
        if images.device.type != "meta":
            SEEN.append(
                Seen(
                    self.training,
                    len(images),
                    layout(images),
                    layout(self.conv2.weight),
                    features.dtype,
                    torch.get_num_threads(),
                )
            )
        features = torch.relu(self.linear1(self.dropout(features.flatten(1))))
        return self.head(torch.relu(self.linear2(features)))


def layout(tensor: Tensor) -> str:
    return LAYOUTS[tensor.is_contiguous(memory_format=torch.channels_last)]


def build(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    return TinyNetwork(num_classes, in_channels)
