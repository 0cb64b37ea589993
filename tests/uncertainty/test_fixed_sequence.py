"""Truth: verdicts one by one, and sweeps drawn from models whose excess gaps are known."""

from typing import Any

import numpy as np
import pytest

from prunegap.uncertainty import PairedCounts, excess_gap_limits, judge, sparsest_admissible

FINE = PairedCounts.of([4000] * 3, [100] * 3, [100] * 3)
GAINS = PairedCounts.of([4000, 4000, 400], [100, 100, 0], [100, 100, 80])
UNCLEAR = PairedCounts.of([4000, 4000, 30], [100, 100, 1], [100, 100, 1])
HURT = PairedCounts.of([4000, 4000, 400], [100, 100, 80], [100, 100, 0])


@pytest.mark.parametrize(
    ("sequence", "admitted"),
    [
        ([FINE, FINE, FINE], 3),
        ([FINE, HURT, FINE], 1),
        ([FINE, FINE, UNCLEAR, FINE], 2),
        ([UNCLEAR, FINE], 0),
        ([HURT], 0),
    ],
)
def test_the_row_ends_at_the_first_model_that_is_not_admitted(sequence: list[PairedCounts], admitted: int) -> None:
    assert sparsest_admissible(sequence, 0.02, 0.05) == admitted


def test_every_model_is_tested_at_full_alpha() -> None:
    highest = float(np.max(judge(FINE, 1, alpha=0.05).at_most))
    assert sparsest_admissible([FINE] * 20, highest + 1e-9, 0.05) == 20
    assert sparsest_admissible([FINE] * 20, highest - 1e-9, 0.05) == 0
    assert sparsest_admissible([FINE] * 20, highest - 1e-9, 0.2) == 20


def test_gains_count_where_both_sides_do() -> None:
    assert sparsest_admissible([FINE, GAINS], 0.02, 0.05) == 2
    assert sparsest_admissible([FINE, GAINS], 0.02, 0.05, two_sided=True) == 1


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sequence": []}, "a sequence needs one model or more, got none"),
        ({"alpha": 1.0}, r"alpha must be inside \(0, 1\), got 1.0"),
        ({"tolerance": -0.1}, "tolerance must be >= 0, got -0.1"),
    ],
)
def test_what_cannot_be_tested_is_refused(changes: dict[str, Any], rule: str) -> None:
    given: dict[str, Any] = {"sequence": [FINE], "tolerance": 0.02, "alpha": 0.05} | changes
    with pytest.raises(ValueError, match=rule):
        sparsest_admissible(**given)


def test_from_the_least_sparse_on_alpha_holds_and_from_the_sparsest_down_it_does_not() -> None:
    """Two models within the tolerance and six exactly at it, so that none of the six may be admitted.

    1,000 sweeps: .05 and three standard errors are .071. Down from the sparsest six independent chances of about .05
    make .26.
    """
    rng, n = np.random.default_rng(4), np.broadcast_to([1500, 1500, 400], (1000, 8, 3))
    lost_share, gained_share = np.full((8, 3), 0.05), np.full((8, 3), 0.03)
    lost_share[:, 2] = [0.02] * 2 + [0.09] * 6
    gained_share[:2, 2] = 0.02  # the others' gap is .02, so that psi is -.018 or (1 - w) .04
    lost = rng.binomial(n, lost_share)
    counts = PairedCounts(n.copy(), lost, rng.binomial(n - lost, gained_share / (1 - lost_share)))
    tolerance = (1 - 400 / 3400) * 0.04
    passes = np.asarray((excess_gap_limits(counts, 0.05).high <= tolerance).all(axis=-1))
    in_a_row = np.asarray(np.cumprod(passes, axis=1).sum(axis=1))
    assert [sparsest_admissible([counts[at, one] for one in range(8)], tolerance, 0.05) for at in range(40)] == (
        in_a_row[:40].tolist()
    )
    assert (in_a_row > 2).mean() <= 0.071
    assert (in_a_row >= 2).mean() >= 0.8, "what is within the tolerance is found"
    assert passes[:, 2:].any(axis=1).mean() >= 0.2, "the first that passes from the sparsest down is a wrong one"
