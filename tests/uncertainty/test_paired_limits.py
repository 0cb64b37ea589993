"""Truth: every trinomial sample enumerated one by one, and Tango's own example (Stat. in Medicine 1998, 17:891)."""

from math import comb, isclose

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from prunegap.uncertainty import PairedCounts
from prunegap.uncertainty.paired_limits import (
    EXACT_UP_TO,
    _score,
    constrained_gained,
    lower_limit,
    tail,
    upper_limit,
)


def enumerated(n: int, t: int, lost: float, gained: float, *, mid_p: bool) -> float:
    """The tail by the probability of every possible pair of counts."""
    total = 0.0
    for some_lost in range(n + 1):
        for some_gained in range(n + 1 - some_lost):
            same = n - some_lost - some_gained
            ways = comb(n, some_lost) * comb(n - some_lost, some_gained)
            difference = some_lost - some_gained
            weight = 1.0 if difference < t else 0.5 if mid_p and difference == t else float(difference == t)
            total += weight * ways * lost**some_lost * gained**some_gained * (1 - lost - gained) ** same
    return total


@pytest.mark.parametrize("mid_p", [True, False])
@pytest.mark.parametrize(
    ("n", "t", "lost", "gained"),
    [
        (1, 0, 0.2, 0.3),
        (1, -1, 0.0, 0.3),
        (7, 2, 0.3, 0.1),
        (12, -3, 0.1, 0.5),
        (20, 5, 0.25, 0.0),
        (20, 0, 0.0, 0.0),
        (30, 30, 0.95, 0.05),
        (40, -40, 0.2, 0.8),
        (60, 3, 0.02, 0.01),
    ],
)
def test_the_tail_is_the_sum_over_all_samples(n: int, t: int, lost: float, gained: float, mid_p: bool) -> None:
    found = tail(np.array([n]), np.array([t]), np.array([lost]), np.array([gained]), mid_p=mid_p)
    assert abs(found[0] - enumerated(n, t, lost, gained, mid_p=mid_p)) < 1e-12


def test_samples_of_several_sizes_at_once_have_the_tails_they_have_alone() -> None:
    n, t = np.array([3, 50, 12]), np.array([1, -4, 0])
    lost, gained = np.array([0.4, 0.1, 0.2]), np.array([0.1, 0.2, 0.3])
    alone = [tail(n[i : i + 1], t[i : i + 1], lost[i : i + 1], gained[i : i + 1])[0] for i in range(3)]
    assert tail(n, t, lost, gained) == pytest.approx(alone, abs=1e-14)


@pytest.mark.parametrize("counts", [(20, 4, 3), (20, 0, 5), (20, 5, 0), (9, 9, 0), (9, 0, 0), (500, 70, 20)])
@pytest.mark.parametrize("mu", [-0.7, -0.2, 0.0, 0.15, 0.6])
def test_the_nuisance_is_where_the_likelihood_is_largest(counts: tuple[int, int, int], mu: float) -> None:
    n, lost, gained = counts
    low, high = max(0.0, -mu), (1 - mu) / 2

    def unlikely(q: float) -> float:
        cells = [(lost, q + mu), (gained, q), (n - lost - gained, 1 - 2 * q - mu)]
        return -sum(count * np.log(max(p, 1e-300)) for count, p in cells if count)

    best = minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x
    (found,) = constrained_gained(PairedCounts.of(*counts), np.array([mu]))
    assert unlikely(found) <= unlikely(best) + 1e-7
    assert low - 1e-12 <= found <= high + 1e-12


def test_the_score_limits_are_those_that_tango_published() -> None:
    counts = PairedCounts.of(21, 1, 7)
    assert round(float(-_score(counts.swapped, np.array([0.025]), True)[0]), 3) == -0.517
    assert round(float(_score(counts, np.array([0.025]), True)[0]), 3) == -0.026


@pytest.mark.parametrize("mid_p", [True, False])
def test_the_limit_is_the_gap_whose_tail_is_the_level(mid_p: bool) -> None:
    counts = PairedCounts.of([30, 100, 200, 5], [4, 0, 30, 1], [2, 9, 11, 0])
    levels = np.array([0.05, 0.01, 0.001, 0.025])
    limits = upper_limit(counts, levels, mid_p=mid_p)
    gained = constrained_gained(counts, limits)
    tails = tail(counts.examples, counts.lost - counts.gained, gained + limits, gained, mid_p=mid_p)
    assert tails == pytest.approx(levels, abs=1e-6)
    assert (limits > counts.gap).all()


def test_without_mid_p_limits_are_wider() -> None:
    counts = PairedCounts.of([20, 60, 150], [3, 5, 20], [1, 6, 2])
    assert (upper_limit(counts, 0.025, mid_p=False) > upper_limit(counts, 0.025)).all()


def test_lower_limits_are_upper_ones_of_the_models_exchanged() -> None:
    counts = PairedCounts.of([40, 900], [8, 50], [2, 60])
    exchanged = PairedCounts.of([40, 900], [2, 60], [8, 50])
    assert (lower_limit(counts, 0.05) == -upper_limit(exchanged, 0.05)).all()


def test_perfect_agreement_is_no_certainty_and_more_examples_are_more() -> None:
    sizes = np.array([1, 10, 100, EXACT_UP_TO, 1000])
    counts = PairedCounts.of(sizes, 0 * sizes, 0 * sizes)
    widths = upper_limit(counts, 0.05) - lower_limit(counts, 0.05)
    assert (np.diff(widths) < 0).all()
    assert widths[-1] > 0


def test_a_group_that_lost_every_example_may_lose_all_and_an_empty_one_has_no_limit() -> None:
    counts = PairedCounts.of([6, 0], [6, 0], [0, 0])
    upper, lower = upper_limit(counts, 0.05), lower_limit(counts, 0.05)
    assert upper[0] == 1
    assert 0 < lower[0] < 1
    assert np.isnan(upper[1])
    assert np.isnan(lower[1])


def test_exact_and_score_limits_meet_where_one_takes_over() -> None:
    small, large = PairedCounts.of(EXACT_UP_TO, 24, 9), PairedCounts.of(EXACT_UP_TO + 1, 24, 9)
    for limit in (upper_limit, lower_limit):
        assert isclose(float(limit(small, 0.01)[0]), float(limit(large, 0.01)[0]), abs_tol=0.006)


@pytest.mark.parametrize("counts", [(5, 4, 2), (5, -1, 0), (5, 0, -1)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must be >= 0 and together at most"):
        PairedCounts.of(*counts)


def test_the_score_limit_of_perfect_agreement_by_hand() -> None:
    """n mu = z sqrt(n mu (1 - mu)) where nothing changed: mu = z^2 / (n + z^2)."""
    assert float(upper_limit(PairedCounts.of(1000, 0, 0), 0.05)[0]) == pytest.approx(
        1.6448536**2 / (1000 + 1.6448536**2)
    )
