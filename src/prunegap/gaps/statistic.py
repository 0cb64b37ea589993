"""What a statistic is, and the table of all of them, over which artifact, CSV, tables, plots and MLflow iterate.

A package adds an entry through an entry point of the group ``prunegap.statistics``: a statistic or a tuple of them,
as ours are (:mod:`prunegap.gaps.entries`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from torch import Tensor

from prunegap.errors import UserError
from prunegap.estimate import Estimate, Quantity
from prunegap.extensions import extension, extensions
from prunegap.gaps.outcomes import Outcomes, Pair
from prunegap.shapes import ExampleInts, GroupFloats, Scalar

OURS = "gaps"


@dataclass(frozen=True)
class GroupStatistic(Quantity):
    """A value a group. ``of``: from both models' outcomes; NaN for a group without an estimate."""

    of: Callable[[Pair], GroupFloats] = field(kw_only=True)


@dataclass(frozen=True)
class OverallStatistic(Quantity):
    """One value for all examples. ``of``: from both models' outcomes; NaN without an estimate."""

    of: Callable[[Pair], Scalar] = field(kw_only=True)


S = TypeVar("S", GroupStatistic, OverallStatistic)


@dataclass(frozen=True)
class Measures:
    """The value of every statistic, by name, in the order of the table."""

    pair: Pair
    overall: Mapping[str, Scalar]
    group: Mapping[str, GroupFloats]

    def overall_estimates(self) -> dict[str, Estimate]:
        """Return the overall values as plain numbers, by name."""
        return {name: _estimate(value.item()) for name, value in self.overall.items()}

    def group_estimates(self) -> list[dict[str, Estimate]]:
        """Return the values of each group as plain numbers, by name."""
        columns = {name: values.tolist() for name, values in self.group.items()}
        return [
            {name: _estimate(values[group]) for name, values in columns.items()}
            for group in range(self.pair.num_groups)
        ]


def compare_outcomes(dense: Outcomes, sparse: Outcomes, groups: ExampleInts, num_groups: int) -> Measures:
    """Return every statistic of ``sparse`` against ``dense`` on the same examples.

    Raises:
        UserError: a statistic of a package cannot be loaded or gives something else than a value a group.
    """
    pair = Pair(dense, sparse, groups, num_groups)
    return Measures(
        pair,
        overall={one.name: _value(one.name, one.of(pair), ()) for one in overall_statistics()},
        group={one.name: _value(one.name, one.of(pair), (num_groups,)) for one in group_statistics()},
    )


def group_statistics() -> list[GroupStatistic]:
    """Return the statistics a group: ours in their order, then those of other packages by name."""
    return _table(GroupStatistic)


def overall_statistics() -> list[OverallStatistic]:
    """Return the overall statistics: ours in their order, then those of other packages by name."""
    return _table(OverallStatistic)


def quantity_of(statistic: Quantity) -> Quantity:
    """Return what a statistic is, without how it is computed."""
    return Quantity(**{one.name: getattr(statistic, one.name) for one in fields(Quantity)})


def _table(kind: type[S]) -> list[S]:
    names = [OURS, *(name for name in extensions("statistics") if name != OURS)]
    table: dict[str, S] = {}
    added_by: dict[str, str] = {}
    for point in names:
        for one in _entries(point):
            if not isinstance(one, kind):
                continue
            if one.name in table:
                raise UserError(
                    f"statistic '{one.name}' is added twice, by entry points {added_by[one.name]} and {point} of "
                    "prunegap.statistics; have one renamed"
                )
            table[one.name], added_by[one.name] = one, point
    return list(table.values())


def _entries(point: str) -> tuple[GroupStatistic | OverallStatistic, ...]:
    loaded: Any = extension("statistics", point)
    entries: tuple[Any, ...] = loaded if isinstance(loaded, tuple) else (loaded,)
    for one in entries:
        if not isinstance(one, GroupStatistic | OverallStatistic):
            raise UserError(
                f"entry point {point} of prunegap.statistics gives {type(one).__name__}; it must be a GroupStatistic, "
                "an OverallStatistic or a tuple of them (prunegap.gaps)"
            )
    return entries


def _value(name: str, value: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(value.shape) != shape:
        raise UserError(
            f"statistic '{name}' gives a tensor of shape {list(value.shape)}, {list(shape)} is wanted; correct its 'of'"
        )
    return value


def _estimate(value: float) -> Estimate:
    return Estimate(None if value != value else float(value))  # noqa: PLR0124 - NaN differs from itself
