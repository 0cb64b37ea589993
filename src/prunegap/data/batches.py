"""Batches of a split that is resident on the device, in an order that seed and epoch alone decide."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from prunegap.data.augment import Augmentation, ImageFormat, draw
from prunegap.data.grouped import Split
from prunegap.shapes import ExampleInts, Inputs

Sampler = Callable[[ExampleInts, torch.Generator], ExampleInts]
"""From the groups of a split's n examples (CPU) and a generator to n of the examples, in order; any may repeat."""


@dataclass(frozen=True)
class Batch:
    """Network inputs with the class and the group of each example, and its place in the split, if that is known."""

    inputs: Inputs
    labels: ExampleInts
    groups: ExampleInts
    index: ExampleInts | None = None


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a seed for one epoch of a run.

    All randomness of an epoch follows from (seed, epoch), so that a run resumed at an epoch draws what an
    uninterrupted one draws, and all methods of a seed see the same batches.
    """
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def training_batches(
    split: Split,
    image_format: ImageFormat,
    augmentation: Augmentation,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    sampler: Sampler | None = None,
) -> Iterator[Batch]:
    """Yield one shuffled epoch; the last, partial batch is kept unless it holds a single example.

    A single example has no batch statistics, so batch norm cannot train on it. What a ``sampler`` draws twice is
    augmented anew each time.
    """
    generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
    device = split.labels.device
    if sampler is None:
        drawn = order = torch.randperm(len(split), generator=generator).to(device)
    else:
        order = sampler(split.groups.cpu(), generator).to(device)
        drawn = torch.arange(len(order), device=device)
    augmented = draw(augmentation, len(order), generator, device)
    for index, place in zip(order.split(batch_size), drawn.split(batch_size), strict=True):
        if len(index) > 1 or batch_size == 1:
            images = augmented.apply(split.images[index], place)
            yield Batch(image_format.inputs(images), split.labels[index], split.groups[index], index)


def evaluation_batches(split: Split, image_format: ImageFormat, *, batch_size: int) -> Iterator[Batch]:
    """Yield every example once, in order, without augmentation."""
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        yield Batch(image_format.inputs(split.images[part]), split.labels[part], split.groups[part])
