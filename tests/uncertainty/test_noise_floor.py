"""Truth: every assignment of six examples to groups written out, and labels permuted one by one."""

from itertools import permutations as orders

import numpy as np
import pytest

from prunegap.uncertainty import PairedCounts, noise_floors
from prunegap.uncertainty.noise_floor import permuted_largest


def largest(delta: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    gaps = np.array([delta[groups == one].mean() for one in np.unique(groups)])
    return float(gaps.max() - delta.mean()), float(gaps.max() - gaps.min())


def test_draws_have_the_distribution_of_all_orders_of_a_few_examples() -> None:
    delta, groups = np.array([1, 1, -1, 0, 0, 0]), np.array([0, 0, 1, 1, 1, 2])
    every = [largest(delta, np.array(order)) for order in orders(groups.tolist())]
    counts = PairedCounts.of([2, 3, 1], [2, 0, 0], [0, 1, 0])
    drawn = permuted_largest(counts, permutations=40_000, seed=3)
    for of_all, of_draws in zip(zip(*every, strict=True), drawn, strict=True):
        for value in np.unique(np.round(of_all, 9)):
            expected = float(np.mean(np.abs(np.array(of_all) - value) < 1e-9))
            assert np.mean(np.abs(of_draws - value) < 1e-9) == pytest.approx(expected, abs=0.012)


def test_the_floor_is_that_of_labels_permuted_one_by_one() -> None:
    rng = np.random.default_rng(0)
    delta = rng.choice([1, 0, -1], p=[0.15, 0.75, 0.1], size=600)
    groups = np.repeat(np.arange(4), [300, 200, 80, 20])
    counts = PairedCounts.count(delta >= 0, (delta != 1) & (delta >= 0) | (delta == -1), groups, 4)
    assert (counts.lost.sum(), counts.gained.sum()) == ((delta == 1).sum(), (delta == -1).sum())
    psi, spread = noise_floors(counts, permutations=4000)
    by_hand = np.array([largest(delta, rng.permutation(groups)) for _ in range(4000)])
    measured = largest(delta, groups)
    for at, floor in enumerate((psi, spread)):
        assert floor.value == pytest.approx(measured[at])
        assert floor.mean == pytest.approx(by_hand[:, at].mean(), abs=0.004)
        assert floor.high == pytest.approx(np.quantile(by_hand[:, at], 0.95), abs=0.01)
        assert floor.p == pytest.approx((by_hand[:, at] >= measured[at] - 1e-12).mean(), abs=0.035)
        assert floor.permutations == 4000


def test_a_group_that_is_truly_hurt_is_beyond_the_floor_and_an_empty_group_changes_nothing() -> None:
    hurt = PairedCounts.of([500, 500, 100], [20, 20, 30], [10, 10, 0])
    with_empty = PairedCounts.of([500, 0, 500, 100], [20, 0, 20, 30], [10, 0, 10, 0])
    (psi, spread), again = noise_floors(hurt, permutations=2000), noise_floors(with_empty, permutations=2000)
    assert (psi.p, spread.p) == (1 / 2001, 1 / 2001), "never 0: the measured grouping is one of the permutations"
    assert psi.value > psi.high > psi.mean > 0
    assert again == (psi, spread)


def test_draws_in_portions_are_as_many_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunegap.uncertainty.noise_floor.AT_ONCE", 9)
    counts = PairedCounts.of([5, 5, 5], [1, 2, 0], [0, 0, 1])
    assert [len(one) for one in permuted_largest(counts, permutations=10, seed=0)] == [10, 10]
