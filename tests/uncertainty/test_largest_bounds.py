"""Truth: MOVER over every pair of groups, one pair after the other, and the bounds of one set at a time."""

import time
import tracemalloc
from math import hypot

import numpy as np
import pytest

from prunegap.uncertainty import (
    PairedCounts,
    largest_difference,
    largest_differences,
    max_excess_gap,
    max_excess_gaps,
    simultaneous_limits,
)
from prunegap.uncertainty.paired_limits import lower_limit, upper_limit

SEVERAL = PairedCounts.of(
    [[40, 30, 500, 9], [12, 80, 70, 300], [60, 0, 60, 60], [0, 0, 25, 0], [0, 0, 0, 0]],
    [[6, 1, 40, 9], [0, 9, 7, 10], [5, 0, 2, 30], [0, 0, 4, 0], [0, 0, 0, 0]],
    [[2, 4, 60, 0], [3, 9, 0, 10], [5, 0, 2, 0], [0, 0, 1, 0], [0, 0, 0, 0]],
)


def pair_by_pair(counts: PairedCounts, alpha: float) -> tuple[float, float, float]:
    """Value, lower and upper bound of the largest difference between the gaps of two groups."""
    counts = counts[counts.examples > 0]
    gap, groups = counts.gap, range(len(counts.examples))
    level = alpha / max(len(groups) * (len(groups) - 1), 1)
    up, down = upper_limit(counts, alpha), lower_limit(counts, alpha)
    far_up, far_down = upper_limit(counts, level), lower_limit(counts, level)
    value = low = high = 0.0
    for one in groups:
        for other in groups:
            if one != other:
                difference = gap[one] - gap[other]
                value = max(value, difference)
                low = max(low, difference - hypot(gap[one] - far_down[one], far_up[other] - gap[other]))
                high = max(high, difference + hypot(up[one] - gap[one], gap[other] - down[other]))
    return value, low, high


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_bounds_of_psi_pw_are_those_over_all_pairs(at: int, alpha: float) -> None:
    bound = largest_difference(SEVERAL[at], alpha)
    assert (bound.value, bound.low, bound.high) == pytest.approx(pair_by_pair(SEVERAL[at], alpha), abs=1e-12)


def test_the_widest_group_is_no_pair_of_its_own() -> None:
    """All gaps are 0 and the first group's limits are the widest on both sides."""
    counts = PairedCounts.of([4, 300, 300], [0, 9, 9], [0, 9, 9])
    assert largest_difference(counts, 0.05).high == pytest.approx(pair_by_pair(counts, 0.05)[2], abs=1e-12)


def test_several_sets_at_once_have_the_bounds_that_they_have_alone() -> None:
    for several, alone in ((max_excess_gaps, max_excess_gap), (largest_differences, largest_difference)):
        bounds = several(SEVERAL, 0.05)
        assert bounds.value.shape == (5,)
        for at in range(5):
            one = alone(SEVERAL[at], 0.05)
            found = np.array([bounds.value[at], bounds.low[at], bounds.high[at]])
            assert np.array_equal(found, [one.value, one.low, one.high], equal_nan=True), "NaN of no example at all"


def test_limits_of_several_sets_hold_together_at_the_level_of_each_ones_sizes() -> None:
    several = simultaneous_limits(SEVERAL, 0.05)
    for at in range(5):
        alone = simultaneous_limits(SEVERAL[at], 0.05)
        assert np.array_equal(several.low[at], alone.low, equal_nan=True)
        assert np.array_equal(several.high[at], alone.high, equal_nan=True)


def test_a_thousand_groups_take_three_seconds_and_little_memory() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 200, 1000)  # the dearest: limits of small groups are exact
    lost = rng.binomial(sizes, 0.1)
    counts = PairedCounts.of(sizes, lost, rng.binomial(sizes - lost, 0.1))
    began = time.process_time()
    largest_difference(counts, 0.05)
    assert time.process_time() - began < 3
    tracemalloc.start()
    largest_difference(counts, 0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6, "a list of all pairs and what each is made of would take more"
