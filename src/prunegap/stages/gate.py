"""gate: may each model be used? Every group's excess accuracy gap against the tolerance, in one of three words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from prunegap.artifacts.evaluation import Evaluation, judged_split
from prunegap.artifacts.verdict import ADMISSIBLE, UNDECIDABLE, ModelVerdict, Verdict
from prunegap.errors import NotAdmittedError, UserError, did_you_mean
from prunegap.stages.contract import stage
from prunegap.stages.params import NO_EFFECT, StageParams

if TYPE_CHECKING:
    from prunegap.uncertainty import Audit, Rules

OWN = -1.0


class GateParams(StageParams):
    """Parameters of gate."""

    tolerance: float = Field(
        default=OWN, ge=OWN, description="Excess accuracy gap that a group may have (fraction); -1: each evaluation's."
    )
    split: str = Field(default="", description="Part of the data to judge on; empty: test, or the last one there is.")
    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="Probability of a wrong admission, and of a wrong refusal."
    )
    rule: Literal["bonferroni", "fixed_sequence"] = Field(
        default="bonferroni",
        description="What protects an admission where one model is chosen among several: alpha divided by the "
        "candidates, or the models of a method and seed tested from the least sparse on until one is not admitted.",
    )
    candidates: int = Field(
        default=0, ge=0, description="Models to choose among on the same examples; 0: as many as are judged here."
    )
    two_sided: bool = Field(default=False, description="No group may gain more than the tolerance either.")
    merge_below: int = Field(default=0, ge=0, description="Judge groups of fewer examples as one, (others).")
    leave_out: tuple[str, ...] = Field(default=(), description="Groups whose examples are not judged, by name.")
    accept_undecidable: bool = Field(
        default=False, description="Let a model pass on which the examples decide nothing; the verdict says so."
    )
    enforce: bool = Field(default=True, description="Fail unless every model passes.", json_schema_extra=NO_EFFECT)

    @field_validator("tolerance")
    @classmethod
    def _tolerance_is_none_or_a_fraction(cls, tolerance: float) -> float:
        if OWN < tolerance < 0:
            raise ValueError(f"must be >= 0, or -1 for each evaluation's own, got {tolerance:g}")
        return tolerance

    def admit(self, outputs: Mapping[str, Path]) -> None:
        """Stop a run of models that the gate does not let pass."""
        if self.enforce:
            verdict = Verdict.load(outputs["verdict"])
            if shut := [one for one in verdict.models if not verdict.passes(one)]:
                lines = (f"not admitted: {one.name}: {_why(one.audit)}" for one in shut)
                raise NotAdmittedError("\n".join(lines), verdict.word)


@stage
def gate(params: GateParams, evaluations: tuple[Evaluation, ...]) -> Verdict:
    """Judge for each model whether it may be used: admissible, inadmissible or undecidable."""
    from prunegap.report.verdict_files import verdict_files
    from prunegap.uncertainty import Rules

    if not evaluations:
        raise UserError("no evaluation to judge; give at least one")
    sequences, split = _sequences(evaluations), params.split or judged_split(evaluations)
    count = len(sequences) if params.rule == "fixed_sequence" else len(evaluations)
    judged: dict[int, Audit] = {}
    for places in sequences:
        earlier = ""
        for place in places:
            one = evaluations[place]
            rules = Rules(
                tolerance=one.tolerance if params.tolerance == OWN else params.tolerance,
                alpha=params.alpha,
                candidates=params.candidates or count,
                two_sided=params.two_sided,
                merge_below=params.merge_below,
                leave_out=params.leave_out,
            )
            audit = _judged(one, split, rules)
            if params.rule == "fixed_sequence":
                audit, earlier = _in_sequence(audit, earlier, _name(one))
            judged[place] = audit
    models = [_model(one, judged[place]) for place, one in enumerate(evaluations)]
    verdict = Verdict(split, params.rule, params.accept_undecidable, models)
    return replace(verdict, files=verdict_files(verdict))


def _model(evaluation: Evaluation, audit: Audit) -> ModelVerdict:
    return ModelVerdict(
        name=_name(evaluation),
        method=evaluation.shown_name,
        summary=evaluation.summary,
        network=evaluation.model,
        dataset=evaluation.dataset,
        target=evaluation.target,
        sparsity=evaluation.sparsity,
        achieved_sparsity=evaluation.achieved_sparsity,
        seed=evaluation.seed,
        made_from=dict(evaluation.made_from),
        audit=audit,
    )


def _judged(evaluation: Evaluation, split: str, rules: Rules) -> Audit:
    from prunegap.training.methods import fitted_on
    from prunegap.uncertainty import audit_groups

    if split not in evaluation.splits:
        raise UserError(f"split {split}: {_name(evaluation)} has no such part{did_you_mean(split, evaluation.splits)}")
    tally = evaluation.splits[split].tally()
    if split in fitted_on(evaluation.method):
        tally = replace(tally, notes=("judged on the examples that were trained on, which says little of new ones",))
    return audit_groups(tally, rules, grouping=evaluation.group)


def _sequences(evaluations: Sequence[Evaluation]) -> list[list[int]]:
    """Return the places of the evaluations of each method and seed, from the least sparse on."""
    found: dict[tuple[str, int], list[int]] = {}
    for place, one in enumerate(evaluations):
        found.setdefault((one.shown_name, one.seed), []).append(place)
    return [sorted(places, key=lambda place: evaluations[place].sparsity) for places in found.values()]


def _in_sequence(audit: Audit, stopped_by: str, name: str) -> tuple[Audit, str]:
    """Take an admission back that comes after a model that is not admitted; return too which one stops the rest.

    So the probability that any model is wrongly admitted is alpha without a correction: the first one that should not
    be is the only one that can be (fixed-sequence testing; Angelopoulos et al., "Learn then Test", arXiv 2110.01052).
    """
    if not stopped_by:
        return audit, "" if audit.verdict == ADMISSIBLE else name
    if audit.verdict == ADMISSIBLE:
        note = f"not tested: {stopped_by}, less sparse, is not admitted, and the sequence ends there"
        audit = replace(audit, verdict=UNDECIDABLE, notes=(*audit.notes, note))
    return audit, stopped_by


def _why(audit: Audit) -> str:
    from prunegap.report.audit_text import reason

    return f"{audit.verdict} at a tolerance of {100 * audit.tolerance:g} points: {reason(audit)}"


def _name(evaluation: Evaluation) -> str:
    return f"{evaluation.shown_name} {100 * evaluation.sparsity:.6g} % seed {evaluation.seed}"
