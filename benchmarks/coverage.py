"""Coverage and width of the limits of excess gaps, where the truth is known: ``python benchmarks/coverage.py``.

Every setting says sizes, and per group the probabilities that an example is lost and gained. Written to
``benchmarks/results/coverage/limits.csv``: how often all limits hold together, and their half-width over the ideal one
(known variances, the same simultaneous quantile).
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunegap.uncertainty import PairedCounts, excess_gap_limits
from prunegap.uncertainty.simultaneous import local_level, two_sided_quantile

ALPHA = 0.05
OUT = Path(__file__).parent / "results/coverage/limits.csv"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """One truth: sizes of the groups, and what happens to an example of each."""

    name: str
    sizes: NDArray[np.int64]
    lost: Floats
    gained: Floats

    @property
    def gap(self) -> Floats:
        """Expected gap of each group."""
        return self.lost - self.gained

    @property
    def excess_gap(self) -> Floats:
        """Expected excess gap of each group."""
        return self.gap - (self.sizes * self.gap).sum() / self.sizes.sum()

    @property
    def ideal(self) -> Floats:
        """Half-width of each group's limit if the variances were known."""
        total = self.sizes * (self.lost + self.gained - self.gap**2)
        rest = self.sizes.sum() - self.sizes
        variance = np.divide(total, self.sizes**2, where=self.sizes > 0, out=np.full(len(rest), np.nan))
        variance = variance + (total.sum() - total) / rest**2
        quantile = two_sided_quantile(local_level(self.sizes, ALPHA))
        return quantile * (1 - self.sizes / self.sizes.sum()) * np.sqrt(variance)


def even(name: str, sizes: "list[int] | NDArray[np.int64]", churn: float, *, one_way: bool = False) -> Setting:
    """Return a setting in which every group fares alike."""
    n = np.asarray(sizes, dtype=np.int64)
    lost = np.full(len(n), churn if one_way else churn / 2)
    return Setting(name, n, lost, np.zeros(len(n)) if one_way else lost)


def settings() -> Iterator[Setting]:
    """Yield the settings, those that narrow methods fail in among them."""
    utkface = [1571, 2178, 1075, 343, 730]
    yield even("2 x 500, churn .10", [500] * 2, 0.10)
    yield even("UTKFace race sizes, churn .12", utkface, 0.12)
    yield even("0, 1, 2, 5, 30, 1000, churn .2", [0, 1, 2, 5, 30, 1000], 0.2)
    yield even("0, 1, 2, 5, 30, 1000, churn .02", [0, 1, 2, 5, 30, 1000], 0.02)
    yield even("5 and 1000, churn .15", [5, 1000], 0.15)
    yield even("10 x 30, churn .05", [30] * 10, 0.05)
    yield even("10 x 30, one-way .03", [30] * 10, 0.03, one_way=True)
    yield even("10 x 30, one-way .18", [30] * 10, 0.18, one_way=True)
    yield even("100 x 100, churn .25", [100] * 100, 0.25)
    yield even("100 x 100, churn .05", [100] * 100, 0.05)
    yield even("100 x 100, one-way .06", [100] * 100, 0.06, one_way=True)
    sixty = np.unique(np.geomspace(1, 1000, 90).round().astype(int))[:60]
    yield even("60 groups of 1 to 1000, churn .1", sixty, 0.1)
    yield Setting(
        "8 groups of 5 to 1000, churn .5, gap .3",
        np.array([5, 10, 20, 50, 100, 200, 500, 1000]),
        np.array([0.4, 0.1] * 4),
        np.array([0.1, 0.4] * 4),
    )
    yield even("20 mixed sizes, one-way .1", np.geomspace(5, 500, 20).round().astype(int), 0.1, one_way=True)
    yield Setting("5 x 200, a rare loser", np.full(5, 200), np.array([0.02] * 4 + [0.25]), np.full(5, 0.02))
    yield even("5 x 100, perfect agreement", [100] * 5, 0.0)
    yield Setting("4 x 50, one loses all", np.full(4, 50), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(4))
    yield even("5 x 300, churn .5", [300] * 5, 0.5)
    yield even("1000 x 30, one-way .2", [30] * 1000, 0.2, one_way=True)
    yield even("1000 x 30, churn .02", [30] * 1000, 0.02)
    yield even("1000 x 10, churn .10", [10] * 1000, 0.10)


def measured(setting: Setting, repetitions: int, seed: int) -> dict[str, object]:
    """Draw the setting again and again; return how often all limits held, and their width."""
    rng, n = np.random.default_rng(seed), np.broadcast_to(setting.sizes, (repetitions, len(setting.sizes)))
    lost = rng.binomial(n, setting.lost)
    left = np.divide(setting.gained, 1 - setting.lost, where=setting.lost < 1, out=np.zeros(len(setting.lost)))
    counts = PairedCounts(n.copy(), lost, rng.binomial(n - lost, left))
    began = time.perf_counter()
    limits = excess_gap_limits(counts, local_level(setting.sizes, ALPHA))
    seconds = time.perf_counter() - began
    there = setting.sizes > 0
    truth = setting.excess_gap[there]
    held = ((limits.low[:, there] <= truth + 1e-12) & (limits.high[:, there] >= truth - 1e-12)).all(axis=1)
    half = (limits.high[:, there] - limits.low[:, there]).mean(axis=0) / 2
    ideal = setting.ideal[there]
    return {
        "setting": setting.name,
        "repetitions": repetitions,
        "coverage": f"{held.mean():.4f}",
        "two_standard_errors": f"{2 * np.sqrt(0.95 * 0.05 / repetitions):.4f}",
        "half_width_over_ideal": f"{np.mean(half[ideal > 0] / ideal[ideal > 0]):.3f}" if (ideal > 0).any() else "",
        "mean_half_width_points": f"{100 * half.mean():.3f}",
        "seconds": f"{seconds:.1f}",
    }


def main() -> None:
    """Measure every setting and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000, help="a quarter as many at 1,000 groups")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    rows: list[dict[str, object]] = []
    for setting in settings():
        repetitions = given.repetitions // 4 if len(setting.sizes) >= 1000 else given.repetitions
        rows.append(measured(setting, repetitions, given.seed))
        print(rows[-1], flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
