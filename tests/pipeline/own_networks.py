"""Networks as a user would write them; ``--model pipeline.own_networks:head_first`` and so on."""

import torch
from torch import Tensor, nn


class HeadFirst(nn.Module):
    def __init__(self, num_classes: int, in_channels: int, image_size: int) -> None:
        super().__init__()
        self.head, self.wide = nn.Linear(16, num_classes), nn.Linear(16, 16)
        self.narrow, self.eye = nn.Linear(16, 16), nn.Linear(in_channels * image_size**2, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.narrow(torch.relu(self.wide(torch.relu(self.eye(x.flatten(1))))))))


def head_first(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    model = HeadFirst(num_classes, in_channels, image_size)
    nn.utils.parametrizations.weight_norm(model.wide)
    return model


def two_layers(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    first = nn.Linear(in_channels * image_size**2, 8)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(8, num_classes))
