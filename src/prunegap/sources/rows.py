"""A source as rows: a name, text attributes, an image to decode on demand, and the rows nobody can use."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


class RowError(Exception):
    """One row cannot be used. Its message is the reason, one line."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Rows:
    """The rows of a source.

    Attributes:
        names: one unique name a row.
        columns: every attribute as text, a value a row; an empty text is a missing value.
        load: decodes the image of a row, HWC (three channels) or HW (greyscale), uint8; raises
            :class:`RowError` where there is no readable image.
        default_target: the column that is predicted unless the user says otherwise.
        default_group: the column whose values are the groups unless the user says otherwise.
        part: ``train`` or ``test`` for each row, where the source defines it.
        value_order: the values of a column in the order that carries meaning (class or group numbers);
            a column that is absent here is sorted.
        bad: rows left out already while reading the source.
        keys: what the random split knows a row by, where its name depends on the other rows; rows of one key are
            the same image.
    """

    names: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    load: Callable[[int], Image]
    default_target: str
    default_group: str
    part: Sequence[str] | None = None
    value_order: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    bad: Sequence[BadRow] = ()
    keys: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def values(self, column: str) -> list[str]:
        """Return the values of a column in their order: ``value_order`` first, then the others sorted."""
        ordered = list(self.value_order.get(column, ()))
        return ordered + sorted_values(set(self.columns[column]) - {""} - set(ordered))


def sorted_values(values: Iterable[str]) -> list[str]:
    """Sort values as whole numbers where all of them are, else as text."""
    distinct = set(values)
    if all(value.isdecimal() for value in distinct):
        return sorted(distinct, key=lambda value: (int(value), value))
    return sorted(distinct)


def rows_of_parts(
    train: tuple[Image, Sequence[str]], test: tuple[Image, Sequence[str]], class_names: Sequence[str]
) -> Rows:
    """Return the rows of a source that comes as decoded images and classes, a pair a part.

    Args:
        train: images (n, h, w) or (n, h, w, c), and the class of each.
        test: as ``train``.
        class_names: the classes in order.
    """
    (images, classes), (test_images, test_classes) = train, test
    count = len(images)
    return Rows(
        names=[f"train/{row:05d}" for row in range(count)] + [f"test/{row:05d}" for row in range(len(test_images))],
        columns={"class": [*classes, *test_classes]},
        load=lambda row: images[row] if row < count else test_images[row - count],
        default_target="class",
        default_group="class",
        part=["train"] * count + ["test"] * len(test_images),
        value_order={"class": class_names},
    )
