"""How large the worst group's harm may be: bounds of max psi and of Psi_PW, whose plain estimates are biased up."""

from dataclasses import dataclass

import numpy as np

from prunegap.uncertainty.counts import Floats, PairedCounts
from prunegap.uncertainty.excess_gaps import Limits, excess_gap_limits, mover, simultaneous_limits
from prunegap.uncertainty.paired_limits import lower_limit, upper_limit

PAIRS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Bound:
    """A largest value over groups with its one-sided bounds.

    Attributes:
        value: the plain estimate.
        low: it is at least this with probability 1 - alpha.
        high: it is at most this with probability 1 - alpha.
    """

    value: float
    low: float
    high: float


def max_excess_gap(counts: PairedCounts, alpha: float) -> Bound:
    """Bound the largest excess gap (max psi).

    Above: the largest of the groups' own upper limits, unadjusted, for that of the truly worst group holds. Below: the
    largest of the lower limits that hold together.
    """
    own, together = excess_gap_limits(counts, alpha), simultaneous_limits(counts, alpha)
    return Bound(*(float(np.nanmax(one)) for one in (counts.excess_gap, together.low, own.high)))


def largest_difference(counts: PairedCounts, alpha: float) -> Bound:
    """Bound the largest difference between two groups' gaps (Psi_PW): as above, over all pairs of groups.

    Below, the level is divided by the number of pairs, each of which may be taken either way.
    """
    counts = counts[counts.examples > 0]
    groups = len(counts.examples)
    if groups < 2:
        return Bound(0.0, 0.0, 0.0)
    unadjusted = Limits(lower_limit(counts, alpha), upper_limit(counts, alpha))
    level = alpha / (groups * (groups - 1))
    adjusted = Limits(lower_limit(counts, level), upper_limit(counts, level))
    gap = counts.gap
    high = max(float(part.high.max()) for part in _pairs(gap, unadjusted))
    low = max(float(part.low.max()) for part in _pairs(gap, adjusted))
    return Bound(float(gap.max() - gap.min()), max(low, 0.0), high)


def _pairs(gap: Floats, limits: Limits) -> list[Limits]:
    """Return the limits of each group's gap minus each other's, some groups at a time; 0 of one and itself."""
    rows = max(1, PAIRS_AT_ONCE // len(gap))
    found: list[Limits] = []
    for start in range(0, len(gap), rows):
        part = slice(start, start + rows)
        own = Limits(limits.low[part, None], limits.high[part, None])
        joined = mover(gap[part, None], own, gap[None, :], Limits(limits.low[None, :], limits.high[None, :]))
        same = np.arange(len(gap))[part, None] == np.arange(len(gap))[None, :]
        found.append(Limits(np.where(same, 0.0, joined.low), np.where(same, 0.0, joined.high)))
    return found
