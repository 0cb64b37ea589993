"""``audit_groups``: what a model does to each of some groups, how sure that is, and a verdict by stated rules."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from prunegap.errors import UserError
from prunegap.estimate import Estimate
from prunegap.uncertainty.bounds import Bound, largest_difference, max_excess_gap
from prunegap.uncertainty.excess_gaps import simultaneous_limits
from prunegap.uncertainty.noise_floor import NoiseFloor, noise_floors
from prunegap.uncertainty.tally import Tally
from prunegap.uncertainty.verdict import Verdict, judge

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a model is judged.

    Attributes:
        tolerance: excess accuracy gap that a group may have, a fraction.
        alpha: probability of a wrong admission, and of a wrong refusal.
        candidates: models that this one was chosen among on these examples.
        two_sided: whether a group may not gain more than the tolerance over the average either.
        merge_below: groups with fewer examples are judged as one.
        leave_out: names of groups whose examples are not judged.
    """

    tolerance: float
    alpha: float = 0.05
    candidates: int = 1
    two_sided: bool = False
    merge_below: int = 0
    leave_out: Sequence[str] = ()


@dataclass(frozen=True)
class GroupAudit:
    """One group.

    Attributes:
        name: of the group.
        examples: how many there are.
        lost: right before and wrong after.
        gained: wrong before and right after.
        accuracy_before: of the model before, a fraction; None of an empty group.
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
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> Self:
        """Return what :meth:`plain` was made of."""
        fields: dict[str, Any] = {name: value for name, value in raw.items() if name != "schema_version"}
        of_groups: list[dict[str, Any]] = [
            {**one, "excess_gap": Estimate(**one["excess_gap"])} for one in raw["groups"]
        ]
        fields |= {"groups": tuple(GroupAudit(**one) for one in of_groups), "notes": tuple(raw["notes"])}
        fields |= {name: Bound(**raw[name]) for name in ("max_psi", "psi_pw")}
        fields |= {name: NoiseFloor(**raw[name]) for name in ("noise_floor_max_psi", "noise_floor_psi_pw")}
        return cls(**fields)


def audit_groups(
    tally: Tally, rules: Rules, *, grouping: str, families: int = 1, files: Mapping[str, str] | None = None
) -> Audit:
    """Judge what the model after does to the groups.

    Args:
        tally: of both models.
        rules: to judge by.
        grouping: what makes the groups, for the words.
        families: groupings that are judged side by side: a refusal has alpha by that many.
        files: sha256 of each file that was read.

    Raises:
        UserError: a name that is no group, fewer than two groups, or a value out of range.
    """
    try:
        tally = tally.without(rules.leave_out).merged(rules.merge_below)
        counts = tally.counts
        verdict = judge(
            counts,
            rules.tolerance,
            alpha=rules.alpha,
            candidates=rules.candidates,
            two_sided=rules.two_sided,
            families=families,
        )
    except (UserError, ValueError) as error:
        raise UserError(f"{grouping}: {error}") from None
    floors = noise_floors(counts)
    right, total = int(tally.right.sum()), counts.total
    return Audit(
        grouping=grouping,
        verdict=verdict.word,
        tolerance=rules.tolerance,
        alpha=rules.alpha,
        candidates=rules.candidates,
        two_sided=rules.two_sided,
        examples=int(total.examples[0]),
        accuracy_before=right / int(total.examples[0]),
        accuracy_after=right / int(total.examples[0]) - float(total.gap[0]),
        churn=float(total.churn[0]),
        groups=_groups(tally, verdict),
        max_psi=max_excess_gap(counts, rules.alpha),
        psi_pw=largest_difference(counts, rules.alpha),
        noise_floor_max_psi=floors[0],
        noise_floor_psi_pw=floors[1],
        notes=tally.notes,
        files=files or {},
    )


def _groups(tally: Tally, verdict: Verdict) -> tuple[GroupAudit, ...]:
    counts = tally.counts
    limits = simultaneous_limits(counts, verdict.alpha)
    text = together(verdict.alpha)
    needed = dict(zip(verdict.open.tolist(), verdict.needed.tolist(), strict=True))
    at_fault = set(verdict.at_fault.tolist())
    psi = counts.excess_gap
    return tuple(
        GroupAudit(
            name=tally.names[at],
            examples=int(counts.examples[at]),
            lost=int(counts.lost[at]),
            gained=int(counts.gained[at]),
            accuracy_before=_known(tally.accuracy_before[at]),
            accuracy_after=_known(tally.accuracy_after[at]),
            excess_gap=Estimate(_known(psi[at]), _known(limits.low[at]), _known(limits.high[at]), text),
            at_most=_known(verdict.at_most[at]),
            finding="above" if at in at_fault else "open" if at in needed else "within",
            needed=int(needed[at]) if at in needed and np.isfinite(needed[at]) else None,
        )
        for at in map(int, np.argsort(-psi, kind="stable"))
    )


def together(alpha: float) -> str:
    """Return what limits mean that hold for all groups at once."""
    return f"together {100 * (1 - alpha):g} %"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
