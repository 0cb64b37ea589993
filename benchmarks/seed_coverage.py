"""Coverage and width of limits over seeds, where the truth is known: ``python benchmarks/seed_coverage.py``.

All seeds are judged on the same images. Whether an example is lost or gained follows from a normal score, part of which
the image brings and the rest the seed (Gaussian copula), and every seed moves each group's gap by an effect of its own.
Written to ``benchmarks/results/coverage/seeds.csv``: how often the limits of all groups hold together, and their
half-width over the ideal one (the known spread of the estimates, the same simultaneous quantile), from counts alone and
from what every seed does to every example (``by_examples``); beside them, limits that take the images alone as chance,
and those that take the seeds alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit
from simulated import ALPHA, arguments, held, over_ideal, share, two_standard_errors, write

from prunegap.uncertainty import Limits, PairedCounts, kept_image_variance, over_seeds, simultaneous_limits
from prunegap.uncertainty.simultaneous import local_level, two_sided_quantile

OUT = Path(__file__).parent / "results/coverage/seeds.csv"
SCORES_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Setting:
    """One truth, in which no group is hurt more than another.

    Attributes:
        name: says sizes and churn.
        sizes: of the groups.
        seeds: how many models.
        ratio: variance between seeds of each group's gap over the variance that its images give it.
        correlation: of the scores of one image under two seeds.
        lost: probability that an example is lost.
        gained: probability that it is gained.
    """

    name: str
    sizes: list[int]
    seeds: int
    ratio: list[float]
    correlation: float = 0.5
    lost: float = 0.2
    gained: float = 0.2


def settings() -> Iterator[Setting]:
    """Yield the settings: seeds by groups by seed variance, then other correlations, sizes and kinds of change."""
    for seeds in (3, 5, 10):
        for groups in (2, 5, 20):
            for ratio in (0.0, 1.0, 4.0):
                yield Setting(f"{groups} x 300, churn .4", [300] * groups, seeds, [ratio] * groups)
    for correlation in (0.0, 0.95):
        yield Setting("5 x 300, churn .4", [300] * 5, 5, [1.0] * 5, correlation)
    for seeds in (3, 5):
        yield Setting("10 x 30, one-way .1", [30] * 10, seeds, [0.0] * 10, 0.5, 0.1, 0.0)
        yield Setting("UTKFace race sizes, churn .4", [1571, 2178, 1075, 343, 730], seeds, [1.0] * 5)
        yield Setting("5 x 300, churn .4, seeds move one group only", [300] * 5, seeds, [16.0] + [0.0] * 4)


def drawn(setting: Setting, repetitions: int, seed: int) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Draw what every seed does to every example, shape (repetitions, seeds, examples), and each example's group."""
    rng, groups = np.random.default_rng(seed), np.repeat(np.arange(len(setting.sizes)), setting.sizes)
    deltas = np.empty((repetitions, setting.seeds, len(groups)), np.int8)
    rows = max(1, SCORES_AT_ONCE // (setting.seeds * max(setting.sizes)))
    for start in range(0, repetitions, rows):
        part = deltas[start : start + rows]
        for group, (size, ratio) in enumerate(zip(setting.sizes, setting.ratio, strict=True)):
            part[..., groups == group] = _one_group(setting, size, ratio, len(part), rng)
    return deltas, groups


def _one_group(
    setting: Setting, size: int, ratio: float, repetitions: int, rng: np.random.Generator
) -> NDArray[np.int8]:
    shape, gap = (repetitions, setting.seeds, size), setting.lost - setting.gained
    scores = np.sqrt(1 - setting.correlation) * rng.standard_normal(shape)
    scores += np.sqrt(setting.correlation) * rng.standard_normal((repetitions, 1, size))
    spread = np.sqrt(ratio * (setting.lost + setting.gained - gap**2) / size)
    effect = spread * rng.standard_normal((repetitions, setting.seeds, 1)) / 2
    lost = scores > -ndtri(np.clip(setting.lost + effect, 0, 0.5))
    gained = scores < ndtri(np.clip(setting.gained - effect, 0, 0.5))
    return lost.astype(np.int8) - gained.astype(np.int8)


def counted(deltas: NDArray[np.int8], groups: NDArray[np.int64], sizes: NDArray[np.int64]) -> PairedCounts:
    """Return the counts, shape (repetitions, seeds, groups)."""
    lost, gained = (
        np.stack([(deltas[..., groups == group] == sign).sum(axis=-1) for group in range(len(sizes))], axis=-1)
        for sign in (1, -1)
    )
    return PairedCounts(np.broadcast_to(sizes, lost.shape).copy(), lost, gained)


def measured(setting: Setting, repetitions: int, seed: int) -> dict[str, object]:
    """Draw the setting again and again; return how often all limits held, and their width."""
    sizes, (deltas, groups) = np.array(setting.sizes), drawn(setting, repetitions, seed)
    counts = counted(deltas, groups, sizes)
    limits = over_seeds(counts, ALPHA)
    narrower = over_seeds(counts, ALPHA, kept=kept_image_variance(deltas, groups, len(sizes)))
    level = local_level(sizes, ALPHA)
    ideal = two_sided_quantile(level) * counts.excess_gap.mean(axis=1).std(axis=0)
    truth = np.zeros(len(sizes))
    return {
        "setting": setting.name,
        "seeds": setting.seeds,
        "groups": len(sizes),
        "seed_over_image_variance": f"{max(setting.ratio):g}",
        "correlation": f"{setting.correlation:g}",
        "repetitions": repetitions,
        "coverage": share(held(limits, truth).all(axis=1)),
        "two_standard_errors": two_standard_errors(repetitions),
        "half_width_over_ideal": over_ideal(limits, ideal),
        "by_examples": share(held(narrower, truth).all(axis=1)),
        "by_examples_half_width_over_ideal": over_ideal(narrower, ideal),
        "images_alone": share(held(_images_alone(counts), truth).all(axis=1)),
        "seeds_alone": share(held(_seeds_alone(counts, level), truth).all(axis=1)),
    }


def _images_alone(counts: PairedCounts) -> Limits:
    """Return the mean of the limits that every seed's model has by itself."""
    every = simultaneous_limits(counts, ALPHA)
    return Limits(every.low.mean(axis=1), every.high.mean(axis=1))


def _seeds_alone(counts: PairedCounts, level: float) -> Limits:
    """Return Student's limits of the seeds' mean, as if the images were all there are."""
    psi, seeds = counts.excess_gap, counts.examples.shape[1]
    mean, half = psi.mean(axis=1), -stdtrit(seeds - 1, level) * psi.std(axis=1, ddof=1) / np.sqrt(seeds)
    return Limits(mean - half, mean + half)


def main() -> None:
    """Measure every setting and write the table."""
    given = arguments(__doc__ or "", OUT)
    write(given, (measured(setting, given.repetitions, given.seed) for setting in settings()))


if __name__ == "__main__":
    main()
