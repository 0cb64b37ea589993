"""Limits of a share of examples, such as an accuracy or a churn: mid-P exact for small groups, Wilson's for large ones.

A share is a gap in which nothing is gained, so that the limits of gaps are its limits: of a trinomial without gains
remains the binomial, and of Tango's score Wilson's (1927, Journal of the American Statistical Association 22:209).
"""

import numpy as np

from prunegap.uncertainty.counts import Ints, PairedCounts
from prunegap.uncertainty.excess_gaps import Limits
from prunegap.uncertainty.paired_limits import lower_limit, upper_limit


def share_limits(counted: Ints, examples: Ints, alpha: float) -> Limits:
    """Return two-sided limits of every group's share, each of which holds with probability 1 - alpha alone.

    Args:
        counted: examples of each group that count.
        examples: all examples of each group.
        alpha: probability of a miss.
    """
    counts = as_gains_of_nothing(counted, examples)
    return Limits(lower_limit(counts, alpha / 2), upper_limit(counts, alpha / 2))


def as_gains_of_nothing(counted: Ints, examples: Ints) -> PairedCounts:
    """Return shares as gaps: what counts as lost, and nothing gained."""
    return PairedCounts(examples, counted, np.zeros_like(examples))
