"""How large the worst group's harm may be: bounds of max psi and of Psi_PW, whose plain estimates are biased up."""

from dataclasses import dataclass

import numpy as np

from prunegap.uncertainty.counts import Floats, PairedCounts
from prunegap.uncertainty.excess_gaps import excess_gap_limits, simultaneous_limits
from prunegap.uncertainty.paired_limits import lower_limit, upper_limit


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


@dataclass(frozen=True)
class Bounds:
    """The same of several sets of examples, shape (...,) each: that of their counts without the groups."""

    value: Floats
    low: Floats
    high: Floats

    @property
    def only(self) -> Bound:
        """That of the only set."""
        return Bound(self.value.item(), self.low.item(), self.high.item())


def max_excess_gap(counts: PairedCounts, alpha: float) -> Bound:
    """Bound the largest excess gap (max psi) of one set of examples, see :func:`max_excess_gaps`."""
    return max_excess_gaps(counts, alpha).only


def largest_difference(counts: PairedCounts, alpha: float) -> Bound:
    """Bound the largest difference of gaps (Psi_PW) of one set of examples, see :func:`largest_differences`."""
    return largest_differences(counts, alpha).only


def max_excess_gaps(counts: PairedCounts, alpha: float) -> Bounds:
    """Bound the largest excess gap (max psi) of each set of examples.

    Above: the largest of the groups' own upper limits, unadjusted, for that of the truly worst group holds. Below: the
    largest of the lower limits that hold together, and 0: weighted by their sizes, excess gaps add up to nothing.

    Args:
        counts: shape (..., groups).
        alpha: probability that a bound does not hold.
    """
    own, together = excess_gap_limits(counts, alpha), simultaneous_limits(counts, alpha)
    value, low, high = (np.fmax.reduce(one, axis=-1) for one in (counts.excess_gap, together.low, own.high))
    return Bounds(value, np.maximum(low, 0.0), high)


def largest_differences(counts: PairedCounts, alpha: float) -> Bounds:
    """Bound the largest difference between two groups' gaps (Psi_PW) of each set: as above, over all pairs of groups.

    Below, the level is divided by the number of pairs, each of which may be taken either way.

    Args:
        counts: shape (..., groups); of fewer than two groups that are not empty all is 0.
        alpha: probability that a bound does not hold.
    """
    groups = (counts.examples > 0).sum(axis=-1, keepdims=True)
    level = alpha / np.maximum(groups * (groups - 1), 1)
    gap = counts.gap
    up, down = upper_limit(counts, alpha) - gap, gap - lower_limit(counts, alpha)
    adjusted_up, adjusted_down = upper_limit(counts, level) - gap, gap - lower_limit(counts, level)
    spread = np.fmax.reduce(gap, axis=-1) - np.fmin.reduce(gap, axis=-1)
    return Bounds(
        value=np.where(groups[..., 0] < 2, 0.0, spread),
        low=_largest_of_pairs(gap, adjusted_down, adjusted_up, -1),
        high=_largest_of_pairs(gap, up, down, 1),
    )


def _largest_of_pairs(gap: Floats, first: Floats, second: Floats, side: int) -> Floats:
    """Return the largest MOVER limit of one group's gap minus another's, and 0 where none is above it.

    ``gap_g - gap_h + side hypot(first_g, second_h)`` over g and h != g. Group by group, so that no more lies in memory
    than the counts take, however many pairs there are.
    """
    largest = np.zeros_like(gap)
    for one in range(gap.shape[-1]):
        own = slice(one, one + 1)
        limits = gap[..., own] - gap + side * np.hypot(first[..., own], second)
        limits[..., own] = 0.0
        np.fmax(largest, limits, out=largest)
    return largest.max(axis=-1)
