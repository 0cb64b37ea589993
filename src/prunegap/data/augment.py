"""From packed uint8 images to network inputs: normalisation, flips and shifts, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from prunegap.shapes import Inputs, PackedImages


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images: horizontal flips (half of the images), shifts of up to ``shift`` pixels."""

    flip: bool = False
    shift: int = 0


@dataclass(frozen=True)
class ImageFormat:
    """Normalisation of uint8 pixels and the precision and memory layout the network receives.

    ``mean`` and ``std`` are per channel, in units of the pixel range 0..1.
    """

    mean: Sequence[float]
    std: Sequence[float]
    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    def inputs(self, images: PackedImages) -> Inputs:
        """Return normalised inputs of shape (n, c, h, w)."""
        mean = _per_channel(tuple(self.mean), self.dtype, images.device)
        std = _per_channel(tuple(self.std), self.dtype, images.device)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return ((images.to(self.dtype) / 255 - mean) / std).contiguous(memory_format=layout)


@cache  # made once: a tensor made of Python numbers on a GPU waits for all work queued there
def _per_channel(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device).view(1, -1, 1, 1)


@dataclass(frozen=True)
class AugmentationDraw:
    """One random draw for every example of an epoch: (n,) flips and (n, 2) shifts in pixels (down, right)."""

    flips: Tensor | None
    shifts: Tensor | None
    reach: int

    def apply(self, images: PackedImages, index: Tensor) -> PackedImages:
        """Return ``images`` (the examples ``index``) as this draw shows them; what shifts in is black."""
        if self.flips is not None:
            images = torch.where(self.flips[index].view(-1, 1, 1, 1), images.flip(-1), images)
        return images if self.shifts is None else shift_images(images, self.shifts[index], self.reach)


def draw(
    augmentation: Augmentation, examples: int, generator: torch.Generator, device: torch.device
) -> AugmentationDraw:
    """Draw one epoch's augmentation of every example on the CPU and move it to ``device`` once."""
    flips = torch.rand(examples, generator=generator) < 0.5 if augmentation.flip else None
    reach = augmentation.shift
    shifts = torch.randint(-reach, reach + 1, (examples, 2), generator=generator) if reach else None
    return AugmentationDraw(
        None if flips is None else flips.to(device), None if shifts is None else shifts.to(device), reach
    )


def shift_images(images: PackedImages, shifts: Tensor, reach: int) -> PackedImages:
    """Shift each image by its own (down, right) pixels, |shift| <= reach, filling with 0."""
    height, width = images.shape[2:]
    padded = functional.pad(images, [reach] * 4)
    device = images.device
    rows = torch.arange(height, device=device) + reach - shifts[:, :1]
    columns = torch.arange(width, device=device) + reach - shifts[:, 1:]
    examples = torch.arange(len(images), device=device)
    picked = padded[examples[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)
