"""A data set as a model sees it: classes by name, numbered as its scores are; images normalised as it learned."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from prunegap.data.grouped import GroupedDataset, Split
from prunegap.errors import UserError, did_you_mean

SHOWN = 3


def match_classes(known: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return where each of ``wanted`` stands in ``known``, by name.

    Args:
        known: classes of a model, in the order of its scores.
        wanted: classes of a data set, in the order of its labels; it may lack some of the model's.

    Raises:
        UserError: classes that the model does not know; the first of them are named.
    """
    number = {name: index for index, name in enumerate(known)}
    strange = [f"'{name}'" for name in wanted if name not in number]
    if strange:
        one = len(strange) == 1
        hint = did_you_mean(strange[0].strip("'"), known) if one else f"; it knows {listed(_quoted(known))}"
        raise UserError(
            f"the data set's class{'' if one else 'es'} {listed(strange)} {'is' if one else 'are'} not known to the "
            f"model{hint}; give data whose classes are called as the model's are, or a model of these classes"
        )
    return [number[name] for name in wanted]


def seen_as(
    dataset: GroupedDataset,
    *,
    class_names: Sequence[str],
    channel_mean: Sequence[float],
    channel_std: Sequence[float],
) -> GroupedDataset:
    """Return the data set with a model's classes and normalisation.

    Labels become the numbers of the model's classes; images, groups and attributes stay as they are, and shared.

    Args:
        dataset: its classes are some or all of the model's, in any order.
        class_names: the model's classes in the order of its scores.
        channel_mean: the model's normalisation, in units of the pixel range 0..1.
        channel_std: as ``channel_mean``.

    Raises:
        UserError: the data set has a class that the model does not know.
    """
    index = match_classes(class_names, dataset.class_names)
    splits = dataset.splits
    if index != list(range(len(index))):
        splits = {name: Split(split.images, _renumbered(split, index), split.groups) for name, split in splits.items()}
    return replace(
        dataset,
        splits=splits,
        class_names=list(class_names),
        channel_mean=list(channel_mean),
        channel_std=list(channel_std),
    )


def listed(names: Sequence[str]) -> str:
    """Return the first few names and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _renumbered(split: Split, index: Sequence[int]) -> torch.Tensor:
    return torch.tensor(index, dtype=split.labels.dtype, device=split.labels.device)[split.labels]


def _quoted(names: Sequence[str]) -> list[str]:
    return [f"'{name}'" for name in names]
