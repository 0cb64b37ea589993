"""Known truths to draw samples from: sizes of the groups, and what happens to an example of each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from simulated import ALPHA

from prunegap.uncertainty import PairedCounts
from prunegap.uncertainty.simultaneous import local_level, two_sided_quantile

UTKFACE = [1571, 2178, 1075, 343, 730]
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

    def drawn(self, repetitions: int, rng: np.random.Generator) -> PairedCounts:
        """Draw counts of shape (repetitions, groups)."""
        n = np.broadcast_to(self.sizes, (repetitions, len(self.sizes))).copy()
        lost = rng.binomial(n, self.lost)
        left = np.divide(self.gained, 1 - self.lost, where=self.lost < 1, out=np.zeros(len(self.lost)))
        return PairedCounts(n, lost, rng.binomial(n - lost, left))

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


def one_hurt(name: str, sizes: list[int], churn: float, more: float, *, one_way: bool = False) -> Setting:
    """Return a setting in which the smallest group (of several, the last) loses ``more`` than the others."""
    others = even(name, sizes, churn, one_way=one_way)
    lost = others.lost.copy()
    lost[len(sizes) - 1 - int(np.argmin(sizes[::-1]))] += more
    return Setting(name, others.sizes, lost, others.gained)


def settings() -> Iterator[Setting]:
    """Yield the settings, those that narrow methods fail in among them."""
    yield even("2 x 500, churn .10", [500] * 2, 0.10)
    yield even("UTKFace race sizes, churn .12", UTKFACE, 0.12)
    yield even("0, 1, 2, 5, 30, 1000, churn .2", [0, 1, 2, 5, 30, 1000], 0.2)
    yield even("0, 1, 2, 5, 30, 1000, churn .02", [0, 1, 2, 5, 30, 1000], 0.02)
    yield even("0, 1, 2, 5, 30, 1000, one-way .2", [0, 1, 2, 5, 30, 1000], 0.2, one_way=True)
    yield even("0, 1, 2, 5, 30, 1000, one-way .02", [0, 1, 2, 5, 30, 1000], 0.02, one_way=True)
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
    yield one_hurt("UTKFace race sizes, churn .12, the smallest loses .08 more", UTKFACE, 0.12, 0.08)
    yield one_hurt("2 x 500, churn .10, one loses .05 more", [500] * 2, 0.10, 0.05)
    yield one_hurt("5 and 1000, churn .15, the 5 lose .3 more", [5, 1000], 0.15, 0.3)
    yield one_hurt("10 x 30, one-way .03, one loses .15 more", [30] * 10, 0.03, 0.15, one_way=True)
    yield one_hurt("10 x 30, churn .20, one loses .1 more", [30] * 10, 0.2, 0.1)
    yield one_hurt("100 x 100, churn .25, one loses .2 more", [100] * 100, 0.25, 0.2)
    yield even("5 x 100, perfect agreement", [100] * 5, 0.0)
    yield Setting("4 x 50, one loses all", np.full(4, 50), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(4))
    yield even("5 x 300, churn .5", [300] * 5, 0.5)
    yield even("1000 x 30, one-way .2", [30] * 1000, 0.2, one_way=True)
    yield even("1000 x 30, churn .02", [30] * 1000, 0.02)
    yield even("1000 x 10, churn .10", [10] * 1000, 0.10)
