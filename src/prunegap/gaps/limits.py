"""Limits of our statistics, from the counts of a pair of models and the probability alpha that they miss.

A group's: :class:`~prunegap.uncertainty.Limits`; an overall one's: the lower one, None without one, and the upper one.
"""

import torch

from prunegap.gaps.outcomes import Outcomes, Pair
from prunegap.uncertainty import (
    Limits,
    PairedCounts,
    as_gains_of_nothing,
    excess_gap_limits,
    gap_limits,
    largest_difference,
    max_excess_gap,
    share_limits,
    simultaneous_limits,
)

Ends = tuple[float | None, float]


def of_gaps(pair: Pair, alpha: float) -> Limits:
    """Return limits of the groups' gaps, together."""
    return gap_limits(pair.counts, alpha)


def of_excess_gaps(pair: Pair, alpha: float) -> Limits:
    """Return limits of the groups' excess gaps, together."""
    return simultaneous_limits(pair.counts, alpha)


def at_most(pair: Pair, alpha: float) -> Limits:
    """Return the one-sided upper limits of the groups' excess gaps, each alone."""
    return excess_gap_limits(pair.counts, alpha)


def of_accuracy(outcomes: Outcomes, pair: Pair, alpha: float) -> Limits:
    """Return limits of the groups' accuracies, each alone."""
    return share_limits(_right(outcomes, pair).lost, pair.counts.examples, alpha)


def of_overall_accuracy(outcomes: Outcomes, pair: Pair, alpha: float) -> Ends:
    """Return limits of the accuracy."""
    right = _right(outcomes, pair).total
    return _ends(share_limits(right.lost, right.examples, alpha))


def of_churn(pair: Pair, alpha: float) -> Limits:
    """Return limits of the groups' churn, each alone."""
    counts = pair.counts
    return share_limits(counts.lost + counts.gained, counts.examples, alpha)


def of_overall_churn(pair: Pair, alpha: float) -> Ends:
    """Return limits of the churn."""
    total = pair.counts.total
    return _ends(share_limits(total.lost + total.gained, total.examples, alpha))


def of_overall_gap(pair: Pair, alpha: float) -> Ends:
    """Return limits of the overall gap."""
    return _ends(gap_limits(pair.counts.total, alpha))


def of_max_psi(pair: Pair, alpha: float) -> Ends:
    """Return bounds of the largest excess gap."""
    bound = max_excess_gap(pair.counts, alpha)
    return bound.low, bound.high


def of_psi_pw(pair: Pair, alpha: float) -> Ends:
    """Return bounds of the largest difference between two groups' gaps."""
    bound = largest_difference(pair.counts, alpha)
    return bound.low, bound.high


def of_accuracy_spread(pair: Pair, alpha: float) -> Ends:
    """Return bounds of the largest difference between two groups' accuracies under the sparse model."""
    bound = largest_difference(_right(pair.sparse, pair), alpha)
    return bound.low, bound.high


def _right(outcomes: Outcomes, pair: Pair) -> PairedCounts:
    right = torch.bincount(pair.groups[outcomes.correct], minlength=pair.num_groups)
    return as_gains_of_nothing(right.cpu().numpy(), pair.counts.examples)


def _ends(limits: Limits) -> Ends:
    return float(limits.low[0]), float(limits.high[0])
