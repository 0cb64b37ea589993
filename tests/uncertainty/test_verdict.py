"""Truth: limits of single groups, Holm's procedure by hand, the published formula of planning, simulated verdicts."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from prunegap.uncertainty import (
    PairedCounts,
    examples_for,
    excess_gap_limits,
    judge,
    largest_difference,
    max_excess_gap,
    simultaneous_limits,
    tolerances_for,
)

FINE = PairedCounts.of([4000, 4000, 4000], [100, 100, 100], [100, 100, 100])
HURT = PairedCounts.of([4000, 4000, 400], [100, 100, 80], [100, 100, 0])


def test_each_word() -> None:
    assert judge(FINE, 0.02).word == "admissible"
    hurt = judge(HURT, 0.02)
    assert (hurt.word, hurt.at_fault.tolist()) == ("inadmissible", [2])
    small = judge(PairedCounts.of([4000, 4000, 30], [100, 100, 1], [100, 100, 1]), 0.02)
    assert (small.word, small.open.tolist(), small.at_fault.tolist()) == ("undecidable", [2], [])


def test_admission_takes_each_groups_own_limit_and_several_candidates_cost_level() -> None:
    highest = float(np.max(excess_gap_limits(FINE, 0.05).high))
    assert judge(FINE, highest + 1e-9).word == "admissible"
    assert judge(FINE, highest - 1e-9).word == "undecidable"
    assert judge(FINE, highest + 1e-9, candidates=4).word == "undecidable"
    assert judge(FINE, float(np.max(excess_gap_limits(FINE, 0.05 / 4).high)) + 1e-9, candidates=4).word == "admissible"


def test_a_refusal_takes_the_limits_that_hold_together_and_side_by_side_groupings_cost_level() -> None:
    lowest = float(simultaneous_limits(HURT, 0.05).low[2])
    assert judge(HURT, lowest - 1e-9).word == "inadmissible"
    assert judge(HURT, lowest + 1e-9).word == "undecidable"
    assert judge(HURT, lowest - 1e-9, families=2).word == "undecidable"


def test_a_group_found_at_fault_frees_its_level_for_the_next() -> None:
    sizes = np.array([20000] + [500] * 9)
    second = PairedCounts.of(sizes, [400] + [200] * 8 + [51], [400] + [0] * 9)
    limits = [excess_gap_limits(second, level).low[9] for level in (0.05 / 2 / 10, 0.05 / 2 / 2)]
    tolerance = float(np.mean(limits))
    assert limits[0] < tolerance < limits[1]
    assert judge(second, tolerance).at_fault.tolist() == list(range(1, 10))


def test_a_group_that_gains_too_much_counts_only_where_both_sides_do() -> None:
    gains = PairedCounts.of([4000, 4000, 400], [100, 100, 0], [100, 100, 80])
    assert judge(gains, 0.02).word == "admissible"
    assert judge(gains, 0.02, two_sided=True).at_fault.tolist() == [2]


def test_an_empty_group_is_never_fine() -> None:
    verdict = judge(PairedCounts.of([4000, 4000, 0], [100, 100, 0], [100, 100, 0]), 0.5)
    assert (verdict.word, verdict.open.tolist(), verdict.needed.tolist()) == ("undecidable", [2], [np.inf])


def test_how_many_examples_would_decide() -> None:
    counts = PairedCounts.of([4000, 4000, 100], [100, 100, 4], [100, 100, 3])
    (needed,) = judge(counts, 0.05).needed
    psi, gap, churn = 0.01 - 1 / 8100, 0.01, 0.07
    quantiles = norm.isf(0.05) + norm.isf(0.2 / 3)
    assert needed == np.ceil((quantiles / (0.05 - psi)) ** 2 * (churn - gap**2))
    above = judge(PairedCounts.of([4000, 4000, 100], [100, 100, 9], [100, 100, 3]), 0.05)
    assert above.needed.tolist() == [np.inf], "it seems to be above: no number admits it"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"alpha": 0.0}, "alpha must be inside"),
        ({"alpha": 1.0}, "alpha must be inside"),
        ({"tolerance": -0.01}, "tolerance must be >= 0"),
        ({"tolerance": float("nan")}, "tolerance must be >= 0"),
        ({"candidates": 0}, "candidates must be >= 1"),
        ({"counts": PairedCounts.of([5], [1], [0])}, "two groups or more"),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict[str, Any], rule: str) -> None:
    given: dict[str, Any] = {"counts": FINE, "tolerance": 0.02} | changes
    with pytest.raises(ValueError, match=rule):
        judge(**given)


def test_a_model_at_the_boundary_is_admitted_at_most_as_often_as_alpha_says() -> None:
    """400 repetitions: .05 and three standard errors are .083."""
    rng, n = np.random.default_rng(2), np.array([1500, 1500, 400])
    # psi of the last group is exactly the tolerance: (1 - w) (.06 - .02)
    tolerance, admitted = (1 - 400 / 3400) * 0.04, 0
    for _ in range(400):
        lost = rng.binomial(n, [0.05, 0.05, 0.09])
        gained = rng.binomial(n - lost, np.array([0.03, 0.03, 0.03]) / (1 - np.array([0.05, 0.05, 0.09])))
        admitted += judge(PairedCounts.of(n, lost, gained), tolerance).word == "admissible"
    assert admitted / 400 <= 0.083


def test_bounds_of_the_largest_values() -> None:
    own, together = excess_gap_limits(HURT, 0.05), simultaneous_limits(HURT, 0.05)
    psi = max_excess_gap(HURT, 0.05)
    assert psi.value == pytest.approx(float(HURT.excess_gap[2]))
    assert (psi.low, psi.high) == (float(together.low.max()), float(own.high.max()))
    spread = largest_difference(HURT, 0.05)
    assert spread.value == pytest.approx(0.2)
    assert 0 < spread.low < 0.2 < spread.high
    alone = largest_difference(PairedCounts.of([50, 0], [5, 0], [1, 0]), 0.05)
    assert (alone.value, alone.low, alone.high) == (0, 0, 0)


def test_bounds_of_psi_pw_hold_where_the_groups_differ_and_where_they_do_not() -> None:
    rng, n = np.random.default_rng(7), np.array([300, 200, 100, 80])
    for lost, truth in (([0.1, 0.1, 0.1, 0.1], 0.0), ([0.05, 0.05, 0.1, 0.2], 0.15)):
        low = high = 0
        for _ in range(150):
            some = rng.binomial(n, lost)
            bound = largest_difference(PairedCounts.of(n, some, 0 * some), 0.05)
            low += bound.low <= truth
            high += bound.high >= truth
        assert min(low, high) / 150 >= 0.897  # three standard errors below .95


def test_planning_is_the_published_formula_and_its_inverse() -> None:
    assert [examples_for(one, 0.12, 5) for one in (0.02, 0.03, 0.05)] == [3459, 1538, 554]
    certified = tolerances_for(np.array([3459, 343, 0]), 0.12)
    assert certified[2] == np.inf
    quantiles = norm.isf(0.05) + norm.isf(0.2 / 3)
    assert certified[:2] == pytest.approx(quantiles * np.sqrt(0.12 / np.array([3459, 343])))
    for wrong in ((0.0, 0.1), (0.02, 0.0), (0.02, 1.5)):
        with pytest.raises(ValueError, match="must be"):
            examples_for(*wrong, 3)
