"""Truth: the multivariate normal distribution of standardised excess gaps, by scipy, and gaps that are known."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from prunegap.uncertainty import PairedCounts, excess_gap_limits, simultaneous_limits
from prunegap.uncertainty.excess_gaps import Limits, mover
from prunegap.uncertainty.simultaneous import MANY_GROUPS, local_level


def inside(sizes: list[int], level: float) -> float:
    """Probability that no standardised excess gap is beyond the quantile of a level, by numerical integration."""
    share = np.array(sizes) / sum(sizes)
    correlation = -np.sqrt(np.outer(share, share) / np.outer(1 - share, 1 - share))
    np.fill_diagonal(correlation, 1.0)
    c = np.full(len(sizes), norm.isf(level))
    normal: Any = multivariate_normal
    law = normal(np.zeros(len(sizes)), correlation, allow_singular=True, seed=1, maxpts=500_000)
    return float(law.cdf(c, lower_limit=-c))


@pytest.mark.parametrize(
    "sizes", [[300, 200, 100], [50] * 5, [1000, 20, 30, 40], [343, 1200, 800, 700, 300], [10] * 12]
)
def test_limits_at_the_level_hold_together_with_the_probability_asked_for(sizes: list[int]) -> None:
    assert inside(sizes, local_level(np.array(sizes), 0.05)) == pytest.approx(0.95, abs=0.002)


def test_of_two_groups_one_decides_the_other_and_no_level_is_below_bonferronis() -> None:
    assert local_level(np.array([500, 20]), 0.05) == 0.025
    assert local_level(np.array([500, 0, 20]), 0.05) == 0.025, "an empty group has no share of alpha"
    for count in (3, 10, MANY_GROUPS, 1000):
        sizes = np.full(count, 100)
        assert 0.05 / (2 * count) <= local_level(sizes, 0.05) <= 0.025
    assert local_level(np.full(100, 100), 0.05) / (0.05 / 200) == pytest.approx(1.02, abs=0.01)


def test_the_limits_of_a_difference_by_hand() -> None:
    one, other = Limits(np.array([0.2]), np.array([0.5])), Limits(np.array([0.0]), np.array([0.4]))
    joined = mover(np.array([0.3]), one, np.array([0.1]), other)
    assert joined.low[0] == pytest.approx(0.2 - np.hypot(0.1, 0.3))
    assert joined.high[0] == pytest.approx(0.2 + np.hypot(0.2, 0.1))


def test_the_limits_are_about_the_gap_minus_that_of_all_examples() -> None:
    counts = PairedCounts.of([4000, 1000, 5000], [400, 200, 300], [100, 50, 300])
    limits = excess_gap_limits(counts, 0.025)
    gap, everybody = np.array([0.075, 0.15, 0.0]), 450 / 10000
    assert counts.excess_gap == pytest.approx(gap - everybody)
    rest = (450 - gap * counts.examples) / (10000 - counts.examples)
    churn_rest = (1350 - counts.churn * counts.examples) / (10000 - counts.examples)
    variance = (counts.churn - gap**2) / counts.examples + (churn_rest - rest**2) / (10000 - counts.examples)
    half = norm.isf(0.025) * (1 - counts.share) * np.sqrt(variance)
    assert limits.low == pytest.approx(gap - everybody - half, abs=5e-4)
    assert limits.high == pytest.approx(gap - everybody + half, abs=5e-4)


def test_one_group_of_all_examples_has_no_excess_gap_and_an_empty_one_none_that_is_known() -> None:
    limits = excess_gap_limits(PairedCounts.of([50, 0], [5, 0], [1, 0]), 0.025)
    assert (limits.low[0], limits.high[0]) == (0, 0)
    assert np.isnan([limits.low[1], limits.high[1]]).all()


SETTINGS = {
    "a few groups": ([343, 1200, 800, 700, 300], 0.08, 0.04),
    "tiny groups, one way": ([10] * 30, 0.18, 0.0),
    "mixed sizes, one way": ([1, 2, 5, 30, 1000], 0.02, 0.0),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_limits_hold_together_as_often_as_they_say(setting: str) -> None:
    """300 repetitions: .95 less three standard errors of a simulation is .912."""
    sizes, lost, gained = SETTINGS[setting]
    rng, held, n = np.random.default_rng(5), 0, np.array(sizes)
    for _ in range(300):
        some = rng.binomial(n, lost)
        limits = simultaneous_limits(PairedCounts.of(n, some, rng.binomial(n - some, gained / (1 - lost))), 0.05)
        held += bool(((limits.low <= 0) & (limits.high >= 0)).all())  # no group is hurt more than the average
    assert held / 300 >= 0.912
