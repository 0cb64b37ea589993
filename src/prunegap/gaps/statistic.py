"""What a statistic is, and the table of all of them, over which artifact, CSV, tables, plots and MLflow iterate.

A package adds an entry through an entry point of the group ``prunegap.statistics``: a statistic or a tuple of them,
as ours are (:mod:`prunegap.gaps.entries`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import repeat
from typing import Any, TypeVar

from torch import Tensor

from prunegap.errors import UserError
from prunegap.estimate import Estimate, Quantity
from prunegap.extensions import extension, extensions
from prunegap.gaps.outcomes import Outcomes, Pair
from prunegap.shapes import ExampleInts, GroupFloats, Scalar
from prunegap.uncertainty.excess_gaps import Limits

OURS = "gaps"


@dataclass(frozen=True)
class GroupStatistic(Quantity):
    """A value a group.

    Attributes:
        of: the values, from both models' outcomes; NaN for a group without an estimate.
        limits: their limits, from both models' outcomes and alpha, the probability of a miss; None: it has none.
        hold: what they mean, before the level: that of all groups hold ``together``, or each ``alone``.
    """

    of: Callable[[Pair], GroupFloats] = field(kw_only=True)
    limits: Callable[[Pair, float], Limits] | None = field(default=None, kw_only=True)
    hold: str = field(default="alone", kw_only=True)


@dataclass(frozen=True)
class OverallStatistic(Quantity):
    """One value for all examples.

    Attributes:
        of: the value, from both models' outcomes; NaN without an estimate.
        limits: the lower and the upper one (None: no such limit), as for a group's; None: it has none.
        hold: as for a group's.
    """

    of: Callable[[Pair], Scalar] = field(kw_only=True)
    limits: Callable[[Pair, float], tuple[float | None, float]] | None = field(default=None, kw_only=True)
    hold: str = field(default="alone", kw_only=True)


S = TypeVar("S", GroupStatistic, OverallStatistic)


@dataclass(frozen=True)
class Measures:
    """The value of every statistic, by name, in the order of the table; ``alpha``: of limits, None without them."""

    pair: Pair
    overall: Mapping[str, Scalar]
    group: Mapping[str, GroupFloats]
    alpha: float | None = None

    def overall_estimates(self) -> dict[str, Estimate]:
        """Return the overall values as plain numbers with their limits, by name."""
        estimates: dict[str, Estimate] = {}
        for one in overall_statistics():
            value = self.overall[one.name].item()
            low, high = one.limits(self.pair, self.alpha) if one.limits and self.alpha else (None, None)
            text = f"{one.hold} {_percent(self.alpha)}"
            estimates[one.name] = _estimate(value, one.inside(low), one.inside(high), text)
        return estimates

    def group_estimates(self) -> list[dict[str, Estimate]]:
        """Return the values of each group as plain numbers with their limits, by name."""
        columns: dict[str, list[Estimate]] = {}
        for one in group_statistics():
            values: list[float] = self.group[one.name].tolist()
            limits = one.limits(self.pair, self.alpha) if one.limits and self.alpha else None
            lows, highs = (limits.low.tolist(), limits.high.tolist()) if limits else (_NONE, _NONE)
            text = f"{one.hold} {_percent(self.alpha)}"
            columns[one.name] = [_estimate(*each, text) for each in zip(values, lows, highs, strict=False)]
        return [{name: those[group] for name, those in columns.items()} for group in range(self.pair.num_groups)]


def compare_outcomes(
    dense: Outcomes, sparse: Outcomes, groups: ExampleInts, num_groups: int, *, alpha: float | None = None
) -> Measures:
    """Return every statistic of ``sparse`` against ``dense`` on the same examples.

    Args:
        dense: outcomes of the dense model.
        sparse: of the sparse model, on the same examples.
        groups: number of each example's group.
        num_groups: number of groups.
        alpha: probability that limits miss; None where the examples are all there are, as in training: no limits.

    Raises:
        UserError: a statistic of a package cannot be loaded or gives something else than a value a group.
    """
    pair = Pair(dense, sparse, groups, num_groups)
    return Measures(
        pair,
        overall={one.name: _value(one.name, one.of(pair), ()) for one in overall_statistics()},
        group={one.name: _value(one.name, one.of(pair), (num_groups,)) for one in group_statistics()},
        alpha=alpha,
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


_NONE: Iterable[None] = repeat(None)


def _estimate(value: float, low: float | None, high: float | None, text: str) -> Estimate:
    if value != value:  # noqa: PLR0124 - NaN differs from itself
        return Estimate(None)
    return Estimate(value, low, high, text) if high is not None else Estimate(value)


def _percent(alpha: float | None) -> str:
    return f"{100 * (1 - (alpha or 0)):g} %"
