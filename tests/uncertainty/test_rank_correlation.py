"""Truth: scipy's Spearman correlation and permutation test, and orders that are counted by hand."""

import numpy as np
import pytest
from scipy.stats import permutation_test, spearmanr

from prunegap.uncertainty import rank_correlation


def spearman(one, other) -> float:
    return float(spearmanr(one, other)[0])  # pyright: ignore[reportArgumentType]


def known(one: float | None) -> float:
    assert one is not None
    return one


@pytest.mark.parametrize("groups", [3, 5, 7])
def test_few_groups_are_permuted_in_every_way(groups):
    rng = np.random.default_rng(groups)
    one, other = rng.integers(0, 4, groups), rng.normal(size=groups)
    ours = rank_correlation(one, other)
    theirs = permutation_test((one,), lambda x: spearman(x, other), permutation_type="pairings", n_resamples=10**6)
    assert ours.value == pytest.approx(spearman(one, other), abs=1e-12)
    by_hand = np.mean(np.abs(theirs.null_distribution) >= abs(known(ours.value)) - 1e-9)
    assert ours.p == pytest.approx(by_hand, abs=1e-12)


def test_of_many_groups_permutations_are_drawn_the_same_ones_every_time():
    rng = np.random.default_rng(1)
    one = rng.normal(size=30)
    other = one + rng.normal(size=30) * 2
    ours = rank_correlation(one, other)
    theirs = permutation_test(
        (one,), lambda x: spearman(x, other), permutation_type="pairings", n_resamples=4000, rng=7
    )
    assert ours == rank_correlation(one, other)
    assert ours.value == pytest.approx(spearman(one, other), abs=1e-12)
    assert 0.005 < known(ours.p) < 0.2
    assert ours.p == pytest.approx(np.mean(np.abs(theirs.null_distribution) >= abs(known(ours.value)) - 1e-9), abs=0.02)
    assert ours.p != rank_correlation(one, other, seed=1).p


@pytest.mark.parametrize(("groups", "least"), [(2, 1.0), (3, 1 / 3), (4, 1 / 12), (5, 1 / 60), (50, 1e-4)])
def test_a_perfect_order_has_the_least_p_that_so_few_groups_can_come_to(groups, least):
    for other in (np.arange(groups) ** 3, -np.exp(np.arange(groups))):
        ours = rank_correlation(np.arange(groups), other)
        assert (abs(known(ours.value)), ours.groups) == (pytest.approx(1), groups)
        assert ours.p == pytest.approx(least)
        assert ours.least_p == pytest.approx(least)


def test_a_group_without_a_figure_is_left_out_and_what_has_no_order_has_no_correlation():
    ours = rank_correlation([1, 2, np.nan, 4, 9], [1, 3, 0, 2, np.nan])
    assert (ours.value, ours.groups) == (pytest.approx(0.5), 3)
    for one, other, groups in (([1, 1, 1], [1, 2, 3], 3), ([1, 2], [np.nan, 1], 1), ([np.nan], [1], 0)):
        ours = rank_correlation(one, other)
        assert (ours.value, ours.p, ours.groups) == (None, None, groups)
