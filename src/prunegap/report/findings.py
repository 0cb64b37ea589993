"""What the comparison says, in sentences for someone who decides which model to ship."""

from collections.abc import Sequence
from dataclasses import dataclass

from prunegap.artifacts.evaluation import Evaluation, judged_split
from prunegap.artifacts.verdict import Verdict
from prunegap.report.groups import (
    GroupFigures,
    MethodGroups,
    excess_of,
    method_groups,
    worst_first,
)
from prunegap.report.seed_mean import in_points, percent_text, plain_percent
from prunegap.report.summary import ComparisonRow
from prunegap.report.verdict_text import method_verdicts

CAVEAT = (
    "A verdict is about one model and people it was not trained on: admissible means that every group is shown to lose "
    "at most the tolerance more than the average, undecidable that the examples are too few to say. Feasible on train "
    "means only that the constraint holds on the very examples that the model was fine-tuned with."
)
MOST_GROUPS_NAMED = 2


@dataclass(frozen=True)
class Findings:
    """One sparsity: the verdict on each method's models, which methods are feasible, and whom each hurts most."""

    sparsity: float
    verdicts: tuple[tuple[str, str], ...]
    feasibility: str
    split: str
    hurt: tuple[tuple[str, str], ...]


def findings(
    rows: Sequence[ComparisonRow], evaluations: Sequence[Evaluation], sparsity: float, verdict: Verdict
) -> Findings:
    """Say in words what one sparsity shows: verdicts, feasibility on train, and the groups hurt most on test.

    Without a test split the groups are those of the last split there is.

    Raises:
        UserError: as :func:`prunegap.report.groups.method_groups`.
    """
    split = judged_split([one for one in evaluations if one.sparsity == sparsity])
    methods = method_groups(evaluations, sparsity, split)
    hurt = tuple((one.shown_name, _hurt_sentence(one, split)) for one in methods)
    here = [row for row in rows if row.sparsity == sparsity]
    return Findings(sparsity, tuple(method_verdicts(verdict, sparsity)), _feasibility(here), split, hurt)


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
