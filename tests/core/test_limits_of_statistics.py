"""Limits beside the statistics. Truth: scipy's binomial intervals, and the limits of counts that are known."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from prunegap.gaps import Outcomes, compare_outcomes, group_statistics, overall_statistics
from prunegap.uncertainty import (
    PairedCounts,
    excess_gap_limits,
    gap_limits,
    largest_difference,
    max_excess_gap,
    noise_floors,
    share_limits,
    simultaneous_limits,
)
from prunegap.uncertainty.paired_limits import lower_limit, upper_limit

SIZES = [40, 300, 0, 1000]
LOST, GAINED, RIGHT = [5, 20, 0, 30], [1, 25, 0, 10], [35, 240, 0, 800]
COUNTS = PairedCounts.of(SIZES, LOST, GAINED)
AFTER = [right - lost + gained for right, lost, gained in zip(RIGHT, LOST, GAINED, strict=True)]
WITHOUT = {"dense_loss", "loss", "excessive_loss", "excessive_loss_spread", "lost_count", "gained_count"}


def known(value: float | None) -> float:
    assert value is not None
    return value


def measures(alpha: float | None):
    groups = torch.repeat_interleave(torch.arange(4), torch.tensor(SIZES))
    place = torch.cat([torch.arange(size) for size in SIZES])
    right, lost, gained = (torch.tensor(one)[groups] for one in (RIGHT, LOST, GAINED))
    before = place < right
    after = (before & (place >= lost)) | ((place >= right) & (place < right + gained))
    dense, sparse = (Outcomes(one.long(), torch.zeros(len(one)), one) for one in (before, after))
    return compare_outcomes(dense, sparse, groups, 4, alpha=alpha)


def test_every_statistic_but_losses_and_counts_has_limits_around_its_value() -> None:
    made = measures(0.05)
    for name, one in made.overall_estimates().items():
        assert (one.high is None) is (name in WITHOUT), name
        if one.high is not None:
            assert (one.low or 0.0) <= known(one.value) <= one.high, name
    for at, of_group in enumerate(made.group_estimates()):
        for name, one in of_group.items():
            if SIZES[at] and name not in WITHOUT:
                assert known(one.low) <= known(one.value) <= known(one.high), name
            else:
                assert (one.low, one.high) == (None, None), name
    assert {one.name for one in (*group_statistics(), *overall_statistics())} >= WITHOUT


def test_examples_that_were_trained_on_give_values_without_limits_but_for_what_chance_makes() -> None:
    made = measures(None)
    limited = {name for name, one in made.overall_estimates().items() if one.high is not None}
    limited |= {name for group in made.group_estimates() for name, one in group.items() if one.high is not None}
    assert limited == set()


def test_limits_of_gaps_are_those_of_the_counts() -> None:
    overall, groups = measures(0.1).overall_estimates(), measures(0.1).group_estimates()
    for name, limits in (("excess_gap", simultaneous_limits(COUNTS, 0.1)), ("gap", gap_limits(COUNTS, 0.1))):
        for at in (0, 1, 3):
            one = groups[at][name]
            assert (one.low, one.high) == pytest.approx((limits.low[at], limits.high[at]))
            assert one.limits == "together 90 %"
    psi, spread = max_excess_gap(COUNTS, 0.1), largest_difference(COUNTS, 0.1)
    assert (overall["max_psi"].low, overall["max_psi"].high) == pytest.approx((max(psi.low, 0.0), psi.high))
    assert (overall["psi_pw"].low, overall["psi_pw"].high) == pytest.approx((max(spread.low, 0.0), spread.high))
    floor, _ = noise_floors(COUNTS)
    by_chance = overall["max_psi_by_chance"]
    assert (by_chance.value, by_chance.low, by_chance.high) == pytest.approx((floor.mean, None, floor.high))


def test_limits_of_gaps_hold_together_at_the_level_of_independent_groups() -> None:
    """Three groups have examples, so that each misses a side with half of 1 - .9 ** (1 / 3)."""
    limits, level = gap_limits(COUNTS, 0.1), (1 - 0.9 ** (1 / 3)) / 2
    np.testing.assert_allclose(limits.high, upper_limit(COUNTS, level))
    np.testing.assert_allclose(limits.low, lower_limit(COUNTS, level))


def test_limits_of_large_shares_are_wilsons_and_of_small_ones_inside_clopper_and_pearsons() -> None:
    groups, overall = measures(0.05).group_estimates(), measures(0.05).overall_estimates()
    for count, examples, one in (
        (AFTER[1], 300, groups[1]["accuracy"]),
        (RIGHT[3], 1000, groups[3]["dense_accuracy"]),
        (LOST[3] + GAINED[3], 1000, groups[3]["churn"]),
        (sum(AFTER), 1340, overall["accuracy"]),
        (sum(LOST) + sum(GAINED), 1340, overall["churn"]),
    ):
        wilson = binomtest(count, examples).proportion_ci(0.95, method="wilson")
        assert (one.low, one.high) == pytest.approx((wilson.low, wilson.high), abs=1e-8)
    small, exact = groups[0]["accuracy"], binomtest(AFTER[0], 40).proportion_ci(0.95, method="exact")
    assert exact.low < known(small.low) < known(small.high) < exact.high
    assert exact.high - exact.low < 1.2 * (known(small.high) - known(small.low))


def test_mid_p_limits_of_a_share_are_where_the_tail_with_half_of_the_observed_is_alpha_half() -> None:
    limits = share_limits(np.array([7]), np.array([40]), 0.05)
    for share, alternative in ((limits.high[0], "less"), (limits.low[0], "greater")):
        tail = binomtest(7, 40, share, alternative=alternative).pvalue
        point = tail - (binomtest(6 if alternative == "less" else 8, 40, share, alternative=alternative).pvalue)
        assert tail - point / 2 == pytest.approx(0.025, abs=1e-6)


def test_at_a_level_of_half_a_limit_is_no_further_than_the_point() -> None:
    """Half a tail lies above the median: no root is left to look for."""
    limits = excess_gap_limits(COUNTS, 0.5)
    known = [0, 1, 3]
    assert np.isfinite(limits.low[known]).all()
    assert (limits.low[known] <= COUNTS.excess_gap[known] + 1e-9).all()
    assert (limits.high[known] >= COUNTS.excess_gap[known] - 1e-9).all()
