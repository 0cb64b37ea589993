"""Limits of a share of examples, such as an accuracy or a churn: mid-P exact for small groups, Wilson's for large ones.

A share is a gap in which nothing is gained. Above what was observed the likeliest number of gains is none, so that the
upper limit of a gap is that of the share: of the trinomial remains the binomial, and of Tango's score Wilson's (1927,
Journal of the American Statistical Association 22:209). The lower one is 1 minus the upper one of all other examples.
"""

import numpy as np

from prunegap.uncertainty.counts import Ints, PairedCounts
from prunegap.uncertainty.excess_gaps import Limits
from prunegap.uncertainty.paired_limits import upper_limit


def share_limits(counted: Ints, examples: Ints, alpha: float) -> Limits:
    """Return two-sided limits of every group's share, each of which holds with probability 1 - alpha alone.

    Args:
        counted: examples of each group that count.
        examples: all examples of each group.
        alpha: probability of a miss.
    """
    high, low = (upper_limit(as_gains_of_nothing(one, examples), alpha / 2) for one in (counted, examples - counted))
    return Limits(1 - low, high)


def as_gains_of_nothing(counted: Ints, examples: Ints) -> PairedCounts:
    """Return shares as gaps: what counts as lost, and nothing gained."""
    return PairedCounts(examples, counted, np.zeros_like(examples))
