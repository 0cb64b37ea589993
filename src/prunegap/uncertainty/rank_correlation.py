"""Whether two figures put the groups into the same order: Spearman's correlation, its p from permuted groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from prunegap.uncertainty.counts import Floats, Ints

ALL_UP_TO = 7
"""Of so many groups every permutation is taken: 5,040 at most."""
DRAWN = 9_999
AT_ONCE = 100_000
SAME = 1e-9


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation over groups.

    Attributes:
        value: 1: the same order, -1: the opposite one; None with fewer than two groups, or where all have one value.
        p: share of permutations of the groups whose correlation is at least as strong, in either direction; None as
            ``value``.
        groups: how many have both figures.
        least_p: the smallest that so few groups can come to.
    """

    value: float | None
    p: float | None
    groups: int
    least_p: float


def rank_correlation(one: ArrayLike, other: ArrayLike, *, seed: int = 0) -> RankCorrelation:
    """Return Spearman's correlation of two figures and a two-sided p: exact up to seven groups, else of 9,999 draws.

    Args:
        one: a figure a group, shape (groups,); NaN where a group has none.
        other: as ``one``.
        seed: of the permutations that are drawn.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    both = np.isfinite(first) & np.isfinite(second)
    groups = int(both.sum())
    least = min(1.0, 2 / factorial(groups)) if groups <= ALL_UP_TO else 1 / (1 + DRAWN)
    x, y = (_standardised(values[both]) for values in (first, second))
    if x is None or y is None:
        return RankCorrelation(None, None, groups, least)
    value = float(x @ y)
    if groups <= ALL_UP_TO:
        stronger, drawn = _count(np.array(list(permutations(range(groups)))), x, y, value), factorial(groups)
    else:
        rng = np.random.default_rng(seed)
        stronger = 1 + sum(_count(orders, x, y, value) for orders in _orders(rng, groups))
        drawn = 1 + DRAWN
    return RankCorrelation(value, stronger / drawn, groups, least)


def _standardised(values: Floats) -> Floats | None:
    ranks = rankdata(values) - (len(values) + 1) / 2
    length = float(np.sqrt(ranks @ ranks))
    return ranks / length if length else None


def _count(orders: Ints, x: Floats, y: Floats, value: float) -> int:
    return int((np.abs(x[orders] @ y) >= abs(value) - SAME).sum())


def _orders(rng: np.random.Generator, groups: int) -> Iterator[Ints]:
    rows = max(1, AT_ONCE // groups)
    for start in range(0, DRAWN, rows):
        yield rng.permuted(np.tile(np.arange(groups), (min(rows, DRAWN - start), 1)), axis=1)
