"""Rows of a source -> a grouped data set of packed tensors, and the rows left out.

Classes are the target's values in their order, those of dropped groups included: dropping renumbers none.
Who decides which example is test:

- ``given``: the source;
- ``content_hash``: the image itself, so that identical images fall on one side;
- ``utkface_paper``: the permutation of the file names in "Balancing Act";
- ``random``: a seed.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from prunegap.data.grouped import GroupedDataset, Split
from prunegap.errors import UserError, did_you_mean
from prunegap.progress import Progress, track
from prunegap.sources.decode import Decoded, decode
from prunegap.sources.entities import further_examples
from prunegap.sources.grouping import DROPPED, Grouping, group_rows, require_apart, require_columns
from prunegap.sources.partition import (
    Indices,
    SplitRule,
    SplitSettings,
    partition,
    require_every_group,
)
from prunegap.sources.pixels import channel_statistics, take_parts
from prunegap.sources.rows import BadRow, Rows

OnBadRows = Literal["fail", "skip"]
Repeats = Literal["drop", "keep"]
MAX_ATTRIBUTE_VALUES = 1000
_SHOWN = 5
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackedData:
    """The data set and the rows that are not in it because nobody can use them."""

    dataset: GroupedDataset
    bad: Sequence[BadRow]


def pack(
    rows: Rows,
    *,
    target: str,
    group_by: Sequence[str],
    drop_groups: Sequence[str] = (),
    image_size: int | None = None,
    channels: int | None = None,
    split: SplitRule = "given",
    split_by: str | None = None,
    repeats: Repeats = "drop",
    test_share: float = 0.2,
    validation_share: float = 0.0,
    seed: int = 0,
    salt: str = "",
    on_bad_rows: OnBadRows = "fail",
    class_names: Sequence[str] | None = None,
    channel_mean: Sequence[float] | None = None,
    channel_std: Sequence[float] | None = None,
    progress: Progress = track,
) -> PackedData:
    """Decode every image once and pack labels, groups and attributes beside it.

    Args:
        rows: the source.
        target: attribute to predict.
        group_by: attribute whose values are the groups, or several to intersect (row-major).
        drop_groups: values or intersections (``White x Male``) whose rows are left out.
        image_size: side of the square all images are resized to; None keeps their size.
        channels: 1 or 3; None keeps the images as they are.
        split: one of the rules at the head of this file; all but ``given`` use ``test_share``.
        split_by: attribute whose values (a patient, a lesion) fall on one side with all of their examples; the shares
            are then shares of the values.
        repeats: ``drop`` lists and leaves out further examples of one value in one group of validation or test.
        test_share: share of all examples that is test.
        validation_share: share of train held out by group; 0 makes no validation split.
        seed: of ``random`` and of the validation split.
        salt: of ``content_hash``.
        on_bad_rows: ``fail`` stops at rows that cannot be used, ``skip`` leaves them out.
        class_names: the classes in order, if not those of the source.
        channel_mean: in units of 0..1; from the training pixels if None.
        channel_std: in units of 0..1; from the training pixels if None.
        progress: shows how far decoding is.

    Raises:
        UserError: an unknown attribute, group or label, names that cannot be told apart, bad rows, images that do
            not fit together, or a group without an example in train or test.
    """
    needed = [target, *group_by, *([split_by] if split_by else [])]
    require_columns(rows, needed)
    usable, bad = _usable(rows, dict.fromkeys(needed))
    _settle(bad, on_bad_rows)
    classes = list(class_names or rows.values(target))
    require_apart("classes", classes)
    grouping = group_rows(rows, group_by, drop_groups, usable)
    wanted: list[int] = np.flatnonzero(grouping.group_of_row != DROPPED).tolist()
    labels = _labels(rows, target, classes, wanted)
    decoded = decode(rows, wanted, image_size=image_size, channels=channels, progress=progress)
    bad += decoded.bad
    _settle(bad, on_bad_rows)
    settings = SplitSettings(split, test_share, validation_share, seed, salt, split_by)
    groups = grouping.group_of_row[list(decoded.row_indices)]
    parts = partition(rows, decoded, groups, settings)
    if split_by and repeats == "drop":
        parts, further = _without_repeats(rows, decoded, groups, parts, split_by)
        bad += further
    dataset = _grouped(rows, decoded, labels, grouping, parts)
    _require_a_value_each("channel_mean", channel_mean, dataset.image_shape[0])
    _require_a_value_each("channel_std", channel_std, dataset.image_shape[0])
    mean, std = channel_statistics(dataset.splits["train"].images.numpy())
    dataset = replace(dataset, class_names=classes, target=target, group_by=list(group_by))
    dataset = replace(dataset, channel_mean=list(channel_mean or mean), channel_std=list(channel_std or std))
    return PackedData(dataset, bad)


def _grouped(
    rows: Rows, decoded: Decoded, labels: Indices, grouping: Grouping, parts: Mapping[str, Indices]
) -> GroupedDataset:
    kept = np.array(decoded.row_indices, dtype=np.int64)
    groups = grouping.group_of_row[kept]
    require_every_group(parts, groups, grouping.names)
    images = take_parts(decoded.images, list(parts.values()))
    values = _attribute_values(rows)
    return GroupedDataset(
        splits={
            name: Split(*map(torch.from_numpy, (pixels, labels[kept[part]], groups[part])))
            for (name, part), pixels in zip(parts.items(), images, strict=True)
        },
        class_names=(),
        group_names=grouping.names,
        channel_mean=(),
        channel_std=(),
        attribute_values=values,
        attributes={name: _attributes(rows, values, kept[part]) for name, part in parts.items()},
        row_names={name: _pick(rows.names, kept[part]) for name, part in parts.items()},
    )


def _without_repeats(
    rows: Rows, decoded: Decoded, groups: Indices, parts: Mapping[str, Indices], column: str
) -> tuple[dict[str, Indices], list[BadRow]]:
    kept = np.array(decoded.row_indices, dtype=np.int64)
    names, entities = _pick(rows.names, kept), _pick(rows.columns[column], kept)
    further = further_examples(parts, groups, entities, names)
    if len(further):
        logger.info(
            "%d examples of validation and test are further ones of a %s that their group has already: left out, so "
            "that the others are independent (repeats: keep counts them)",
            len(further),
            column,
        )
    listed = [BadRow(names[one], f"a further example of {column} '{entities[one]}'") for one in further]
    return {name: np.setdiff1d(part, further) for name, part in parts.items()}, listed


def _usable(rows: Rows, needed: Iterable[str]) -> tuple[npt.NDArray[np.bool_], list[BadRow]]:
    usable = np.ones(len(rows), dtype=np.bool_)
    bad = list(rows.bad)
    for column in needed:
        for row, value in enumerate(rows.columns[column]):
            if not value and usable[row]:
                usable[row] = False
                bad.append(BadRow(rows.names[row], f"no value for '{column}'"))
    return usable, bad


def _settle(bad: Sequence[BadRow], on_bad_rows: OnBadRows) -> None:
    if not bad or on_bad_rows == "skip":
        return
    shown = "; ".join(f"{row.name}: {row.reason}" for row in bad[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    raise UserError(
        f"{len(bad)} bad row{'s' if len(bad) > 1 else ''} ({shown}{more}); put them right, or leave them out "
        "with on_bad_rows: skip"
    )


def _require_a_value_each(name: str, values: Sequence[float] | None, channels: int) -> None:
    if values and (len(values) != channels or (name == "channel_std" and min(values) <= 0)):
        rule = " > 0" if name == "channel_std" else ""
        raise UserError(f"{name} must be a number{rule} for each of {channels} channels, got {list(values)}")


def _labels(rows: Rows, target: str, classes: Sequence[str], wanted: Sequence[int]) -> Indices:
    number = {name: index for index, name in enumerate(classes)}
    labels = np.full(len(rows), -1, dtype=np.int64)
    for row in wanted:
        label = rows.columns[target][row]
        if label not in number:
            raise UserError(f"row '{rows.names[row]}': {target} '{label}' is not a class{did_you_mean(label, classes)}")
        labels[row] = number[label]
    return labels


def _attribute_values(rows: Rows) -> dict[str, list[str]]:
    # A column of identifiers describes no group; it would only swell the data set's description.
    values = {column: rows.values(column) for column in rows.columns}
    return {
        column: [*ordered, ""] if "" in rows.columns[column] else ordered
        for column, ordered in values.items()
        if len(ordered) <= MAX_ATTRIBUTE_VALUES
    }


def _attributes(rows: Rows, values: Mapping[str, Sequence[str]], kept: Indices) -> dict[str, torch.Tensor]:
    attributes: dict[str, torch.Tensor] = {}
    for column, ordered in values.items():
        number = {value: index for index, value in enumerate(ordered)}
        indices = [number[value] for value in _pick(rows.columns[column], kept)]
        attributes[column] = torch.tensor(indices, dtype=torch.int64)
    return attributes


def _pick(values: Sequence[str], indices: Indices) -> list[str]:
    return [values[int(index)] for index in indices]
