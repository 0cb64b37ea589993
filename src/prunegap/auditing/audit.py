"""``audit``: predictions of two models -> what each group loses, how sure that is, and a verdict."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunegap.auditing.predictions import BETWEEN, Predictions
from prunegap.errors import UserError, did_you_mean
from prunegap.estimate import Estimate
from prunegap.uncertainty import (
    Bound,
    NoiseFloor,
    PairedCounts,
    Verdict,
    judge,
    largest_difference,
    max_excess_gap,
    noise_floors,
    simultaneous_limits,
)

SCHEMA_VERSION = 1
OTHERS = "(others)"
DRAWN_COUNTS = 4_000_000
"""Most counts that a noise floor draws: with many groups it takes fewer permutations, and says how many."""


@dataclass(frozen=True)
class GroupAudit:
    """One group.

    Attributes:
        name: of the group.
        examples: how many there are.
        lost: right before and wrong after.
        gained: wrong before and right after.
        accuracy_before: of the model before, a fraction.
        accuracy_after: of the model after.
        excess_gap: psi, with limits that hold for all groups together.
        at_most: one-sided upper limit of the excess gap alone: the group is within a tolerance that is not below it.
        finding: ``within``, ``above`` or ``open``: what is shown of its excess gap and the tolerance.
        needed: examples that would show it to be within, if it is what it seems; None where that is not to be had.
    """

    name: str
    examples: int
    lost: int
    gained: int
    accuracy_before: float | None
    accuracy_after: float | None
    excess_gap: Estimate
    at_most: float | None
    finding: str
    needed: int | None


@dataclass(frozen=True)
class Audit:
    """What a model does to each group of one grouping.

    Attributes:
        grouping: the attributes that make the groups.
        verdict: admissible, inadmissible or undecidable.
        tolerance: of an excess gap, a fraction.
        alpha: probability of a wrong admission, and of a wrong refusal.
        candidates: models that this one was chosen among on these examples.
        two_sided: whether a group may not gain more than the tolerance either.
        examples: how many were judged.
        accuracy_before: over all of them.
        accuracy_after: over all of them.
        churn: share of examples whose correctness changed.
        groups: the groups, most harmed first.
        max_psi: the largest excess gap, with bounds.
        psi_pw: the largest difference between two groups' gaps, with bounds.
        noise_floor_max_psi: what max psi comes to where the groups mean nothing.
        noise_floor_psi_pw: likewise.
        notes: what was left out, merged or assumed, a sentence each.
        files: sha256 of each file that was read.
    """

    grouping: str
    verdict: str
    tolerance: float
    alpha: float
    candidates: int
    two_sided: bool
    examples: int
    accuracy_before: float
    accuracy_after: float
    churn: float
    groups: tuple[GroupAudit, ...]
    max_psi: Bound
    psi_pw: Bound
    noise_floor_max_psi: NoiseFloor
    noise_floor_psi_pw: NoiseFloor
    notes: tuple[str, ...]
    files: dict[str, str]

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def audit(
    predictions: Predictions,
    attributes: Sequence[str],
    *,
    tolerance: float,
    alpha: float = 0.05,
    candidates: int = 1,
    two_sided: bool = False,
    merge_below: int = 0,
    leave_out: Sequence[str] = (),
    families: int = 1,
) -> Audit:
    """Judge what the model after does to the groups that some attributes make together.

    Args:
        predictions: of both models.
        attributes: one, or several whose intersection is judged.
        tolerance: of an excess gap, a fraction.
        alpha: probability of a wrong admission, and of a wrong refusal.
        candidates: models that this one was chosen among on these examples.
        two_sided: whether a group may not gain more than the tolerance either.
        merge_below: groups with fewer examples are judged as one, ``(others)``.
        leave_out: names of groups whose examples are not judged.
        families: groupings that are judged side by side: a refusal has alpha by that many.

    Raises:
        UserError: a name that is no group, fewer than two groups, or a value out of range.
    """
    grouping = BETWEEN.join(attributes)
    numbers, names = predictions.intersection(attributes)
    keep = np.ones(len(numbers), bool)
    notes = list(predictions.notes)
    for name in leave_out:
        if name not in names:
            raise UserError(f"--leave-out {name}: no such group of {grouping}{did_you_mean(name, names)}")
        chosen = numbers == names.index(name)
        keep &= ~chosen
        notes.append(f"the group {name} ({int(chosen.sum())} examples) is left out")
    before, after, numbers = predictions.before[keep], predictions.after[keep], numbers[keep]
    numbers, names = _merged(numbers, names, merge_below, notes)
    counts = PairedCounts.count(before, after, numbers, len(names))
    try:
        verdict = judge(counts, tolerance, alpha=alpha, candidates=candidates, two_sided=two_sided, families=families)
    except ValueError as error:
        raise UserError(f"{grouping}: {error}") from None
    permutations = int(np.clip(DRAWN_COUNTS // len(names), 1000, 10_000))
    floors = noise_floors(counts, permutations=permutations)
    right = [np.bincount(numbers[one], minlength=len(names)) for one in (before, after)]
    return Audit(
        grouping=grouping,
        verdict=verdict.word,
        tolerance=tolerance,
        alpha=alpha,
        candidates=candidates,
        two_sided=two_sided,
        examples=len(numbers),
        accuracy_before=float(before.mean()),
        accuracy_after=float(after.mean()),
        churn=float(counts.total.churn[0]),
        groups=_groups(names, counts, right, verdict),
        max_psi=max_excess_gap(counts, alpha),
        psi_pw=largest_difference(counts, alpha),
        noise_floor_max_psi=floors[0],
        noise_floor_psi_pw=floors[1],
        notes=tuple(notes),
        files=predictions.files,
    )


def _merged(
    numbers: NDArray[np.int64], names: list[str], below: int, notes: list[str]
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the groups that have examples, small ones as one."""
    sizes = np.bincount(numbers, minlength=len(names))
    small, kept = np.flatnonzero((sizes > 0) & (sizes < below)), np.flatnonzero((sizes > 0) & (sizes >= below))
    new = np.full(len(names), len(kept), dtype=np.int64)
    new[kept] = np.arange(len(kept))
    told = [names[at] for at in kept]
    if len(small):
        told.append(OTHERS)
        listed = ", ".join(names[at] for at in small[:10]) + (", ..." if len(small) > 10 else "")
        notes.append(f"{len(small)} groups of fewer than {below} examples are judged as one, {OTHERS}: {listed}")
    return new[numbers], told


def _groups(
    names: Sequence[str], counts: PairedCounts, right: Sequence[NDArray[np.int64]], verdict: Verdict
) -> tuple[GroupAudit, ...]:
    limits = simultaneous_limits(counts, verdict.alpha)
    text = f"together {100 * (1 - verdict.alpha):g} %"
    needed = dict(zip(verdict.open.tolist(), verdict.needed.tolist(), strict=True))
    at_fault = set(verdict.at_fault.tolist())
    psi = counts.excess_gap
    return tuple(
        GroupAudit(
            name=names[at],
            examples=int(counts.examples[at]),
            lost=int(counts.lost[at]),
            gained=int(counts.gained[at]),
            accuracy_before=float(right[0][at] / counts.examples[at]),
            accuracy_after=float(right[1][at] / counts.examples[at]),
            excess_gap=Estimate(float(psi[at]), float(limits.low[at]), float(limits.high[at]), text),
            at_most=float(verdict.at_most[at]),
            finding="above" if at in at_fault else "open" if at in needed else "within",
            needed=int(needed[at]) if at in needed and np.isfinite(needed[at]) else None,
        )
        for at in map(int, np.argsort(-psi, kind="stable"))
    )
