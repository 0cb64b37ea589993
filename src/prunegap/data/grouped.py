"""A classification data set whose examples belong to disjoint groups, packed as tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from prunegap.shapes import ExampleInts, GroupInts, PackedImages


@dataclass(frozen=True)
class Split:
    """The examples of one split, in a fixed order."""

    images: PackedImages
    labels: ExampleInts
    groups: ExampleInts

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Split":
        """Return the same split on ``device``."""
        return Split(self.images.to(device), self.labels.to(device), self.groups.to(device))

    def group_counts(self, num_groups: int) -> GroupInts:
        """Return the number of examples of each group."""
        return torch.bincount(self.groups, minlength=num_groups)


@dataclass(frozen=True)
class GroupedDataset:
    """Splits by name (``train``, ``test``, and ``validation`` if any) with the names of classes and groups.

    ``channel_mean`` and ``channel_std`` are in units of the pixel range 0..1 and normalise the images.
    ``attributes`` holds, per split, every attribute of each example as an index into ``attribute_values``;
    ``target`` is the attribute that is predicted; the group of an example is the row-major index over the
    attributes in ``group_by``.
    """

    splits: Mapping[str, Split]
    class_names: Sequence[str]
    group_names: Sequence[str]
    channel_mean: Sequence[float]
    channel_std: Sequence[float]
    target: str = ""
    group_by: Sequence[str] = ()
    attribute_values: Mapping[str, Sequence[str]] | None = None
    attributes: Mapping[str, Mapping[str, ExampleInts]] | None = None
    row_names: Mapping[str, Sequence[str]] | None = None

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @property
    def num_groups(self) -> int:
        """Number of groups G."""
        return len(self.group_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        channels, height, width = self.splits["train"].images.shape[1:]
        return channels, height, width
