"""Truth: the formula by hand for large groups, the limits of one model where all seeds agree, and simulated seeds."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from prunegap.uncertainty import Limits, PairedCounts, kept_image_variance, over_seeds, simultaneous_limits

SIZES = [40_000, 90_000, 60_000]
THREE = PairedCounts.of([SIZES] * 3, [[3000, 5400, 2500], [2900, 5000, 3100], [3400, 5200, 2900]], [[2000] * 3] * 3)


def by_hand(kept: float) -> tuple[list[float], list[float]]:
    """Means and half-widths of THREE, of variances as textbooks have them: the groups are large."""
    seeds, groups, everything = 3, 3, sum(SIZES)
    centre: list[float] = []
    image: list[float] = []
    apart: list[float] = []
    for group in range(groups):
        share, psis, variances = SIZES[group] / everything, list[float](), list[float]()
        for seed in range(seeds):
            lost, gained = THREE.lost[seed], THREE.gained[seed]
            rest, others = [other for other in range(groups) if other != group], everything - SIZES[group]
            gap = (lost[group] - gained[group]) / SIZES[group]
            rest_gap = sum(int(lost[one] - gained[one]) for one in rest) / others
            churn = (lost[group] + gained[group]) / SIZES[group]
            rest_churn = sum(int(lost[one] + gained[one]) for one in rest) / others
            psis.append((1 - share) * (gap - rest_gap))
            variance = (churn - gap**2) / SIZES[group] + (rest_churn - rest_gap**2) / others
            variances.append((1 - share) ** 2 * variance)
        centre.append(sum(psis) / seeds)
        image.append(kept * sum(variances) / seeds)
        apart.append(float(np.var(psis, ddof=1)) / (1 - share) ** 2)
    quantile_level = float(norm.cdf(-simultaneous_quantile()))
    halves: list[float] = []
    for group in range(groups):
        scale = (1 - SIZES[group] / everything) ** 2
        seed_part = scale * max(apart[group], sum(apart) / groups) / seeds
        degrees = 4 * ((image[group] + 1.5 * seed_part) / (1.5 * seed_part)) ** 2
        halves.append(float(t.isf(quantile_level, degrees)) * (image[group] + seed_part) ** 0.5)
    return centre, halves


def simultaneous_quantile() -> float:
    """How many standard errors the limits of one of the models are apart that hold together."""
    one = PairedCounts.of(SIZES, THREE.lost[0], THREE.gained[0])
    limits, share = simultaneous_limits(one, 0.05), one.share[0]
    variance = (one.churn - one.gap**2) / one.examples + (one.rest.churn - one.rest.gap**2) / one.rest.examples
    return float((limits.high - limits.low)[0] / 2 / ((1 - share) * variance[0] ** 0.5))


@pytest.mark.parametrize("kept", [1.0, 0.4])
def test_the_limits_are_the_formula_computed_by_hand(kept: float) -> None:
    limits, (centre, halves) = over_seeds(THREE, 0.05, kept=kept), by_hand(kept)
    assert (limits.low + limits.high) / 2 == pytest.approx(np.array(centre), abs=2e-5)
    assert (limits.high - limits.low) / 2 == pytest.approx(np.array(halves), rel=2e-3)


def test_seeds_that_do_the_same_have_the_limits_of_one() -> None:
    same = PairedCounts.of([[50, 400, 0, 20]] * 4, [[6, 30, 0, 0]] * 4, [[1, 31, 0, 0]] * 4)
    one, limits = simultaneous_limits(same[0], 0.05), over_seeds(same, 0.05)
    assert limits.low == pytest.approx(one.low, nan_ok=True)
    assert limits.high == pytest.approx(one.high, nan_ok=True)
    assert np.isnan(limits.low).tolist() == [False, False, True, False]


def test_models_of_several_runs_at_once_have_the_limits_that_they_have_alone() -> None:
    other = PairedCounts.of([[30, 60, 90]] * 3, [[3, 4, 9], [1, 8, 2], [0, 5, 7]], [[2, 4, 9], [6, 0, 0], [3, 3, 3]])
    pairs = zip((THREE.examples, THREE.lost, THREE.gained), (other.examples, other.lost, other.gained), strict=True)
    both = over_seeds(PairedCounts(*(np.stack(pair) for pair in pairs)), 0.05)
    for at, alone in enumerate((over_seeds(THREE, 0.05), over_seeds(other, 0.05))):
        assert both.low[at] == pytest.approx(alone.low, abs=1e-12)
        assert both.high[at] == pytest.approx(alone.high, abs=1e-12)


def test_what_the_seeds_mean_keeps_of_the_image_variance() -> None:
    shared = np.array([1, 0, 0, -1, 0, 1])
    groups = np.array([0, 0, 0, 1, 1, 1])
    assert kept_image_variance(np.stack([shared] * 3), groups, 2) == pytest.approx([1, 1])
    # Group 0: two seeds lose different examples of four; means .5 .5 0 0, variance 1/16, of each 3/16. Group 1: 1.
    apart = np.array([[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0]])
    kept = kept_image_variance(apart, np.array([0, 0, 0, 0, 1, 1]), 3)
    together = (4 / 16 + 2 / 4) / (4 * 3 / 16 + 2 / 4)
    assert kept == pytest.approx([together, 1, together]), "no less than that of all groups, an empty one among them"
    assert kept_image_variance(np.zeros((2, 6), int), groups, 2) == pytest.approx([1, 1])
    assert kept_image_variance(np.stack([apart, apart]), np.array([0, 0, 0, 0, 1, 1]), 3).shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"counts": THREE[0]}, r"need counts of 2 seeds or more.*got shape \(3,\): train more seeds, or take"),
        ({"counts": THREE[:1]}, r"need counts of 2 seeds or more.*got shape \(1, 3\)"),
        ({"counts": THREE[:, :1]}, "two groups or more, got 1"),
        ({"counts": PairedCounts.of([[5, 6], [5, 7]], [[0, 0]] * 2, [[0, 0]] * 2)}, "judged on the same examples"),
        ({"alpha": 0.0}, r"alpha must be inside \(0, 1\), got 0.0"),
        ({"alpha": 1.0}, r"alpha must be inside \(0, 1\), got 1.0"),
        ({"kept": 0.0}, r"kept must be inside \(0, 1\], got 0.0"),
        ({"kept": np.array([0.5, 0.5, 1.1])}, r"kept must be inside \(0, 1\]"),
    ],
)
def test_what_has_no_limits_over_seeds_is_refused(changes: dict[str, Any], rule: str) -> None:
    given: dict[str, Any] = {"counts": THREE, "alpha": 0.05} | changes
    with pytest.raises(ValueError, match=rule):
        over_seeds(given.pop("counts"), given.pop("alpha"), **given)


def simulated(seeds: int, moves: float, repetitions: int) -> tuple[PairedCounts, np.ndarray]:
    """Counts of seeds that share the fate of half of the images and each move every group's gap, and what is kept."""
    rng, groups = np.random.default_rng(11), np.repeat([0, 1, 2], [150, 300, 450])
    fate = rng.choice([1, 0, -1], p=[0.2, 0.6, 0.2], size=(repetitions, 1, 900))
    effect = rng.uniform(-moves, moves, size=(repetitions, seeds, 3))[..., groups]
    fresh = rng.random((repetitions, seeds, 900))
    own = np.where(fresh < 0.2 + effect, 1, np.where(fresh > 0.8 + effect, -1, 0))
    deltas = np.where(rng.random((1, 1, 900)) < 0.5, fate, own)
    each = [deltas[..., groups == group] for group in range(3)]
    lost, gained = (np.stack([(one == sign).sum(axis=-1) for one in each], axis=-1) for sign in (1, -1))
    counts = PairedCounts.of(np.broadcast_to([150, 300, 450], lost.shape), lost, gained)
    return counts, kept_image_variance(deltas, groups, 3)


def together(limits: Limits) -> float:
    """Share of the sets in which the limits of all groups hold: none is hurt more than another."""
    return float(((limits.low <= 0) & (limits.high >= 0)).all(axis=-1).mean())


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("moves", "narrower"), [(0.0, 0.9), (0.15, 1.0)])
def test_limits_hold_together_as_often_as_they_say(seeds: int, moves: float, narrower: float) -> None:
    """300 repetitions: .95 less three standard errors of a simulation is .912."""
    counts, kept = simulated(seeds, moves, 300)
    wide, narrow = over_seeds(counts, 0.05), over_seeds(counts, 0.05, kept=kept)
    assert min(together(wide), together(narrow)) >= 0.912
    assert (narrow.high - narrow.low).mean() < narrower * (wide.high - wide.low).mean()


def test_images_alone_are_not_all_that_varies() -> None:
    """Where seeds move gaps by more than images do, the limits of one model miss the mean over seeds mostly."""
    counts, _ = simulated(3, 0.19, 200)
    assert together(simultaneous_limits(counts, 0.05)) < 0.6
    assert together(over_seeds(counts, 0.05)) >= 0.90
