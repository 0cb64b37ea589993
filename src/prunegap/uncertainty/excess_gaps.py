"""Limits of excess gaps: a group's gap and that of the rest, joined by MOVER.

``psi = (1 - w)(mu - mu_rest)`` with w the group's share. MOVER (method of variance estimates recovery; Zou and Donner
2008, Statistics in Medicine 27:1693) takes the variance that each part's own limits stand for.
"""

from dataclasses import dataclass

import numpy as np

from prunegap.uncertainty.counts import Floats, PairedCounts
from prunegap.uncertainty.paired_limits import lower_limit, upper_limit
from prunegap.uncertainty.simultaneous import local_levels


@dataclass(frozen=True)
class Limits:
    """Lower and upper limits, shape (groups,), or (..., groups) as their counts; NaN of an empty group."""

    low: Floats
    high: Floats


def excess_gap_limits(counts: PairedCounts, level: float | Floats, *, mid_p: bool = True) -> Limits:
    """Return limits of every group's excess gap, each of which misses with probability ``level`` a side.

    Args:
        counts: of all groups, which together hold all examples, shape (..., groups).
        level: a side, of one group's; one for all, or shaped to go with the counts.
        mid_p: False for the stricter limits, see :func:`~prunegap.uncertainty.paired_limits.upper_limit`.
    """
    own, rest = (_gap_limits(part, level, mid_p=mid_p) for part in (counts, counts.rest))
    joined = mover(counts.gap, own, counts.rest.gap, rest)
    weight = 1 - counts.share
    alone = counts.examples == counts.total.examples  # no rest: the excess gap is 0
    return Limits(
        low=np.where(alone, 0.0, weight * joined.low),
        high=np.where(alone, 0.0, weight * joined.high),
    )


def simultaneous_limits(counts: PairedCounts, alpha: float, *, mid_p: bool = True) -> Limits:
    """Return limits of all excess gaps that hold together with probability 1 - alpha, in each of the sets."""
    return excess_gap_limits(counts, local_levels(counts.examples, alpha), mid_p=mid_p)


def gap_limits(counts: PairedCounts, alpha: float) -> Limits:
    """Return limits of all gaps that hold together with probability 1 - alpha: groups are independent (Sidak)."""
    groups = max(1, int((counts.examples > 0).sum()))
    return _gap_limits(counts, (1 - (1 - alpha) ** (1 / groups)) / 2, mid_p=True)


def mover(one: Floats, of_one: Limits, other: Floats, of_other: Limits) -> Limits:
    """Return limits of a difference from the limits of its two sides."""
    difference = one - other
    return Limits(
        low=difference - np.hypot(one - of_one.low, of_other.high - other),
        high=difference + np.hypot(of_one.high - one, other - of_other.low),
    )


def _gap_limits(counts: PairedCounts, level: float | Floats, *, mid_p: bool) -> Limits:
    return Limits(lower_limit(counts, level, mid_p=mid_p), upper_limit(counts, level, mid_p=mid_p))
