"""May a model be used: every group's excess gap against a tolerance, in one of three words.

*Admissible* is an intersection-union test (Berger 1982, Technometrics 24:295): each group's own upper limit must be
within the tolerance, at full level, and the model is wrongly admitted with probability at most alpha. *Inadmissible*
needs a lower limit above the tolerance that holds for all groups together; Holm's procedure lists the groups at fault.
Else the data decide neither: *undecidable*.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from prunegap.uncertainty.counts import Floats, Ints, PairedCounts
from prunegap.uncertainty.excess_gaps import Limits, excess_gap_limits, simultaneous_limits
from prunegap.uncertainty.planning import examples_needed
from prunegap.uncertainty.simultaneous import local_level

Word = Literal["admissible", "inadmissible", "undecidable"]


@dataclass(frozen=True)
class Verdict:
    """Whether every group's excess gap is within a tolerance.

    Attributes:
        word: admissible, inadmissible or undecidable.
        tolerance: that was judged against, a fraction.
        alpha: probability of a wrong admission, and of a wrong refusal.
        at_fault: numbers of the groups that are shown to be above it.
        at_most: one-sided upper limit of each group's excess gap, which the admission takes.
        open: numbers of the groups that are not shown to be within it, nor above.
        needed: examples of each open group that would admit it with probability 0.8, if its excess gap is what it
            seems; infinite where it seems to be above the tolerance, and of an empty group.
        candidates: models that this one was chosen among on the same data.
    """

    word: Word
    tolerance: float
    alpha: float
    at_fault: Ints
    at_most: Floats
    open: Ints
    needed: Floats
    candidates: int = 1


def judge(
    counts: PairedCounts,
    tolerance: float,
    *,
    alpha: float = 0.05,
    candidates: int = 1,
    two_sided: bool = False,
    families: int = 1,
) -> Verdict:
    """Judge a model by what it does to each group.

    Args:
        counts: of all groups; an empty one is never fine.
        tolerance: of an excess gap, a fraction, at least 0.
        alpha: probability of a wrong admission, inside (0, 1).
        candidates: models that this one was chosen among on the same examples: alpha is divided by it (Bonferroni).
        two_sided: whether a group may not gain more than the tolerance either.
        families: sets of groups that are judged side by side, each of which may be at fault: a refusal has alpha by
            that many (an admission needs no correction, for all of them must be admitted).

    Raises:
        ValueError: a value out of range, or fewer than two groups.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be inside (0, 1), got {alpha}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be >= 0, got {tolerance}")
    if candidates < 1:
        raise ValueError(f"candidates must be >= 1, got {candidates}")
    if len(counts.examples) < 2:
        raise ValueError(f"an excess gap needs two groups or more, got {len(counts.examples)}")
    admission = excess_gap_limits(counts, alpha / candidates)
    within = admission.high <= tolerance
    if two_sided:
        within &= admission.low >= -tolerance
    at_fault = groups_at_fault(counts, tolerance, alpha=alpha / families, two_sided=two_sided)
    unclear = np.flatnonzero(~within & ~np.isin(np.arange(len(within)), at_fault))
    word: Word = "inadmissible" if len(at_fault) else "undecidable" if len(unclear) else "admissible"
    needed = examples_needed(counts[unclear], counts.excess_gap[unclear], tolerance, alpha / candidates, len(within))
    return Verdict(word, tolerance, alpha, at_fault, admission.high, unclear, needed, candidates)


def groups_at_fault(counts: PairedCounts, tolerance: float, *, alpha: float, two_sided: bool = False) -> Ints:
    """Return the numbers of the groups whose excess gap is shown to be above the tolerance (Holm 1979).

    The first step is the one that the simultaneous limits show; a group found at fault frees its share of alpha.
    """

    def above(limits: Limits) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        return (limits.low > tolerance) | (two_sided & (limits.high < -tolerance))

    found = above(simultaneous_limits(counts, alpha))
    while found.any() and not found.all():
        left = int((~found & (counts.examples > 0)).sum())
        level = max(alpha / 2 / max(left, 1), local_level(counts.examples, alpha))
        more = found | above(excess_gap_limits(counts, level))
        if (more == found).all():
            break
        found = more
    return np.flatnonzero(found)
