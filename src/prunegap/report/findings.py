"""What the comparison says, in sentences for someone who decides which model to ship."""

from collections.abc import Sequence
from dataclasses import dataclass

from prunegap.artifacts.evaluation import Evaluation
from prunegap.report.groups import (
    GroupFigures,
    MethodGroups,
    excess_of,
    method_groups,
    splits_of,
    worst_first,
)
from prunegap.report.seed_mean import in_points, percent_text, plain_percent
from prunegap.report.summary import ComparisonRow

CAVEAT = (
    "Feasible on train means: on the data the model was fine-tuned with, the excess accuracy gap of the "
    "worst group, averaged over the seeds, is within the tolerance. It is not a statistical verdict on "
    "unseen data: a method that is feasible on train can still hurt a group by more than the tolerance on "
    "test, and a gap measured on a small group can be chance."
)
MOST_GROUPS_NAMED = 2


@dataclass(frozen=True)
class Findings:
    """One sparsity: which methods are feasible, and for each method whom it hurts most."""

    sparsity: float
    feasibility: str
    split: str
    hurt: tuple[tuple[str, str], ...]


def findings(rows: Sequence[ComparisonRow], evaluations: Sequence[Evaluation], sparsity: float) -> Findings:
    """Say in words what one sparsity shows: feasibility on train, and the groups hurt most on test.

    Without a test split the groups are those of the last split there is.

    Raises:
        UserError: as :func:`prunegap.report.groups.method_groups`.
    """
    splits = splits_of([one for one in evaluations if one.sparsity == sparsity])
    split = "test" if "test" in splits or not splits else splits[-1]
    methods = method_groups(evaluations, sparsity, split)
    hurt = tuple((one.shown_name, _hurt_sentence(one, split)) for one in methods)
    return Findings(sparsity, _feasibility([row for row in rows if row.sparsity == sparsity]), split, hurt)


def _feasibility(rows: Sequence[ComparisonRow]) -> str:
    judged = [row for row in rows if row.feasible_on_train is not None]
    if not judged:
        return "No method was evaluated on the training data, so none can be called feasible on train."
    several = len({row.tolerance for row in judged}) > 1
    limit = "its own tolerance" if several else f"a tolerance of {in_points(judged[0].tolerance)}"
    met = ", ".join(_with_disparity(row, several) for row in judged if row.feasible_on_train)
    missed = ", ".join(_with_disparity(row, several) for row in judged if not row.feasible_on_train)
    first = f"Feasible on train at {limit}: {met}." if met else f"No method is feasible on train at {limit}."
    return f"{first} Not feasible: {missed}." if missed else first


def _with_disparity(row: ComparisonRow, with_tolerance: bool) -> str:
    disparity = f"max psi {percent_text(row.splits['train'].get('max_psi'), with_sd=False)}"
    limit = f", tolerance {plain_percent(row.tolerance)}" if with_tolerance else ""
    return f"{row.shown_name} ({disparity}{limit})"


def _hurt_sentence(method: MethodGroups, split: str) -> str:
    after = percent_text(method.overall.get("accuracy"), with_sd=False)
    overall = f"accuracy {_change(method.overall['overall_gap'].mean)} on {split}, to {after} %"
    worse = [name for name in worst_first([method]) if excess_of(method.groups[name]) > 0]
    if not worse:
        return f"{overall}; no group is hurt more than the average."
    named = ", then ".join(_group_phrase(method.groups[name]) for name in worse[:MOST_GROUPS_NAMED])
    return f"{overall}. Hurt most: {named}."


def _group_phrase(group: GroupFigures) -> str:
    excess = percent_text(group.figures.get("excess_gap"), with_sd=False)
    before = percent_text(group.figures.get("dense_accuracy"), with_sd=False)
    after = percent_text(group.figures.get("accuracy"), with_sd=False)
    return f"{group.name}, {excess} points more than the average ({before} % → {after} %)"


def _change(gap: float) -> str:
    direction = "falls" if gap >= 0 else "rises"
    return f"{direction} by {100 * abs(gap):.2f} points"
