"""From attributes to disjoint groups: one attribute, or the row-major intersection of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from prunegap.errors import UserError, did_you_mean
from prunegap.sources.rows import Rows

INTERSECTION = " x "
DROPPED = -1


@dataclass(frozen=True)
class Grouping:
    """Names of the groups and the group of every row (``DROPPED`` where it belongs to none)."""

    names: list[str]
    group_of_row: npt.NDArray[np.int64]


def require_columns(rows: Rows, names: Sequence[str]) -> None:
    """Check that the source has these attributes.

    Raises:
        UserError: an attribute it does not have; names those it has.
    """
    for name in names:
        if name not in rows.columns:
            raise UserError(f"this source has no attribute '{name}'{did_you_mean(name, rows.columns)}" + _has(rows))


def group_rows(
    rows: Rows, group_by: Sequence[str], drop_groups: Sequence[str], usable: npt.NDArray[np.bool_]
) -> Grouping:
    """Give each usable row its group.

    Values that no row has are no groups. In an intersection the last attribute varies fastest.

    Args:
        rows: the source.
        group_by: one attribute, or several to intersect.
        drop_groups: values of these attributes, or intersections (``White x Male``), to leave out.
        usable: rows to look at.

    Raises:
        UserError: no attribute, one named twice, a group to drop that does not exist, or two groups of one name.
    """
    if not group_by or len(set(group_by)) < len(group_by):
        raise UserError(f"group_by must name one or more different attributes, got {list(group_by)}")
    values = [list(map(str, rows.columns[name])) for name in group_by]
    of_row = list(zip(*values, strict=True))
    present = {cell for cell, is_usable in zip(of_row, usable, strict=True) if is_usable}
    drop = {name.replace(" × ", INTERSECTION) for name in drop_groups}
    _require_known(drop, {value for cell in present for value in cell} | {INTERSECTION.join(cell) for cell in present})
    kept = {cell for cell in present if not drop & {*cell, INTERSECTION.join(cell)}}
    axes = [
        [value for value in rows.values(name) if any(cell[axis] == value for cell in kept)]
        for axis, name in enumerate(group_by)
    ]
    cells = [cell for cell in product(*axes) if INTERSECTION.join(cell) not in drop]
    number = {cell: index for index, cell in enumerate(cells)}
    groups = [
        number.get(cell, DROPPED) if is_usable else DROPPED for cell, is_usable in zip(of_row, usable, strict=True)
    ]
    names = [INTERSECTION.join(cell) for cell in cells]
    require_apart("groups", names)
    return Grouping(names, np.array(groups, dtype=np.int64))


def require_apart(what: str, names: Sequence[str]) -> None:
    """Refuse names that are the same, or would look it: they differ in nothing but blanks.

    Names that differ in case alone stay two, as the letters A and a do.

    Args:
        what: what they are names of, in the plural.
        names: as they stand in the data.

    Raises:
        UserError: naming both.
    """
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(name.split())
        if plain in seen:
            raise UserError(
                f"{what} {seen[plain]!r} and {name!r} cannot be told apart: write them alike in the data if they are "
                "one, or otherwise if they are two"
            )
        seen[plain] = name


def _require_known(drop: set[str], valid: set[str]) -> None:
    for name in sorted(drop - valid):
        raise UserError(f"drop_groups: no group or value '{name}'{did_you_mean(name, valid)}")


def _has(rows: Rows) -> str:
    return f" (it has: {', '.join(rows.columns)})"
