"""Which network, for which data: enough to build the same module again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSpec:
    """Name of an architecture (or ``module:function`` of the user's own) and the data's dimensions."""

    name: str
    num_classes: int
    in_channels: int
    image_size: int
