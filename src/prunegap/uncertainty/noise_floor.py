"""What max psi and Psi_PW come to where groups mean nothing: the group labels permuted over the examples.

What happened to each example stays; which group it belongs to is drawn anew, sizes kept. Counts are enough: those of
the groups are then multivariate hypergeometric.
"""

from dataclasses import dataclass

import numpy as np

from prunegap.uncertainty.counts import Floats, Ints, PairedCounts

PERMUTATIONS = 10_000
FEWEST = 1_000
DRAWN_COUNTS = 4_000_000
"""Most counts that are drawn: with many groups there are fewer permutations."""
AT_ONCE = 2_000_000
"""Counts that are drawn at a time: ten or so megabytes each."""


@dataclass(frozen=True)
class NoiseFloor:
    """A largest value over groups against what permuted groups show.

    Attributes:
        value: as measured.
        mean: of the permutations.
        high: which 95 % of the permutations do not exceed.
        p: share of permutations at least as large, the measured grouping counted as one of them.
        permutations: how many were drawn.
    """

    value: float
    mean: float
    high: float
    p: float
    permutations: int


def noise_floors(
    counts: PairedCounts, *, permutations: int | None = None, seed: int = 0
) -> tuple[NoiseFloor, NoiseFloor]:
    """Return the noise floors of max psi and of Psi_PW; by default of 10,000 permutations, of many groups fewer."""
    counts = counts[counts.examples > 0]
    if permutations is None:
        permutations = int(np.clip(DRAWN_COUNTS // len(counts.examples), FEWEST, PERMUTATIONS))
    drawn = permuted_largest(counts, permutations=permutations, seed=seed)
    psi, gap = counts.excess_gap, counts.gap
    return tuple(  # pyright: ignore[reportReturnType] - two of them
        NoiseFloor(
            value=value,
            mean=float(those.mean()),
            high=float(np.quantile(those, 0.95)),
            p=float((1 + (those >= value - 1e-12).sum()) / (1 + permutations)),
            permutations=permutations,
        )
        for value, those in zip((float(psi.max()), float(gap.max() - gap.min())), drawn, strict=True)
    )


def permuted_largest(counts: PairedCounts, *, permutations: int, seed: int) -> tuple[Floats, Floats]:
    """Return max psi and Psi_PW of each permutation, shape (permutations,) each; no group may be empty."""
    rng = np.random.default_rng(seed)
    rows = max(1, AT_ONCE // len(counts.examples))
    parts = [_largest(counts, rng, min(rows, permutations - start)) for start in range(0, permutations, rows)]
    return np.concatenate([psi for psi, _ in parts]), np.concatenate([spread for _, spread in parts])


def _largest(counts: PairedCounts, rng: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    """Draw group by group, and keep of the gaps only the largest and the smallest."""
    total = counts.total
    left = np.full(rows, int(total.examples[0]))
    lost, gained = np.full(rows, int(total.lost[0])), np.full(rows, int(total.gained[0]))
    largest, smallest = np.full(rows, -np.inf), np.full(rows, np.inf)
    for size in counts.examples:
        here = _drawn(rng, lost, left - lost, int(size))
        rose = _drawn(rng, gained, left - lost - gained, size - here)
        gap = (here - rose) / size
        np.maximum(largest, gap, out=largest)
        np.minimum(smallest, gap, out=smallest)
        left, lost, gained = left - size, lost - here, gained - rose
    return largest - float(total.gap[0]), largest - smallest


def _drawn(rng: np.random.Generator, good: Ints, bad: Ints, sample: "Ints | int") -> Ints:
    return rng.hypergeometric(good, bad, sample)
