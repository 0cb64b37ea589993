"""What each method does to each group, averaged over seeds, and ``group_results.csv`` with every run."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from prunegap.artifacts.evaluation import Evaluation, GroupResult, splits_of
from prunegap.artifacts.verdict import Verdict
from prunegap.errors import UserError
from prunegap.estimate import Quantity, Unit, joined
from prunegap.report.seed_mean import SCALES, SeedMean, plain_percent
from prunegap.report.summary import Figures, figures_of, write_records

NO_SEED = float("-inf")
JUDGED = "excess_gap"


@dataclass(frozen=True)
class GroupFigures:
    """One group under one method on one split; a figure is left out where no seed has an estimate."""

    name: str
    count: int
    figures: Figures


@dataclass(frozen=True)
class MethodGroups:
    """All groups under one method at one sparsity on one split, in the data set's order."""

    shown_name: str
    tolerance: float
    overall: Figures
    groups: Mapping[str, GroupFigures]


def sparsities_of(evaluations: Sequence[Evaluation]) -> list[float]:
    """Return the sparsities in ascending order, each once."""
    return sorted({one.sparsity for one in evaluations})


def check_one_problem(evaluations: Sequence[Evaluation]) -> None:
    """Refuse an empty list, and groups that are not comparable because they partition different data.

    Raises:
        UserError: no evaluation, or more than one data set, target or grouping.
    """
    problems = {(one.dataset, one.target, one.group) for one in evaluations}
    if not problems:
        raise UserError("no evaluation to compare; evaluate at least one method first")
    if len(problems) > 1:
        named = ", ".join("/".join(problem) for problem in sorted(problems))
        raise UserError(f"groups of different data cannot share a table, got {named}; compare one at a time")


def method_groups(
    evaluations: Sequence[Evaluation], sparsity: float, split: str, verdict: Verdict | None = None
) -> list[MethodGroups]:
    """Average every group over the seeds of each method, methods in order of first appearance.

    A method's tolerance is that of its evaluations; on the split that ``verdict`` is about, the one judged by.

    Raises:
        UserError: as :func:`check_one_problem`, and if nothing was evaluated at ``sparsity`` on ``split``.
    """
    check_one_problem(evaluations)
    runs: dict[str, list[Evaluation]] = {}
    for one in evaluations:
        if one.sparsity == sparsity and split in one.splits:
            runs.setdefault(one.shown_name, []).append(one)
    if not runs:
        known = ", ".join(plain_percent(value) for value in sparsities_of(evaluations))
        raise UserError(
            f"nothing was evaluated on split '{split}' at {plain_percent(sparsity)} % sparsity; "
            f"sparsities: {known}; splits: {', '.join(splits_of(evaluations))}"
        )
    judged = {
        one.method: one.audit.tolerance
        for one in (verdict.models if verdict and verdict.split == split else ())
        if one.sparsity == sparsity
    }
    return [_method_groups(split, runs[name], judged.get(name)) for name in runs]


def _method_groups(split: str, runs: Sequence[Evaluation], judged_by: float | None) -> MethodGroups:
    quantities = joined(run.group_quantities for run in runs)
    results: dict[str, list[GroupResult]] = {}
    for run in runs:
        for group in run.splits[split].groups:
            results.setdefault(group.name, []).append(group)
    groups = {
        name: GroupFigures(name, of_group[0].count, figures_of(quantities, of_group))
        for name, of_group in results.items()
    }
    return MethodGroups(
        shown_name=runs[0].shown_name,
        tolerance=runs[0].tolerance if judged_by is None else judged_by,
        overall=figures_of(joined(run.overall_quantities for run in runs), [run.splits[split] for run in runs]),
        groups=_with_limits_over_seeds(groups, runs, split),
    )


def _with_limits_over_seeds(
    groups: Mapping[str, GroupFigures], runs: Sequence[Evaluation], split: str
) -> Mapping[str, GroupFigures]:
    """Return the groups, with limits of their excess gaps over seeds and examples that hold together.

    As they were where there is one seed or one group, where the examples are all there are (so that one evaluation has
    no limits either), and where the seeds saw different ones.
    """
    from prunegap.uncertainty import PairedCounts, over_seeds

    results = [run.splits[split] for run in runs]
    sizes = {tuple((group.name, group.count) for group in result.groups) for result in results}
    limited = any(group.figures[JUDGED].high is not None for group in groups.values() if JUDGED in group.figures)
    if len(runs) < 2 or len(groups) < 2 or len(sizes) > 1 or not limited:
        return groups
    counts = [result.tally().counts for result in results]
    stacked = PairedCounts.stacked(counts)
    limits = over_seeds(stacked, runs[0].alpha)
    ends = dict(
        zip((group.name for group in results[0].groups), zip(limits.low, limits.high, strict=True), strict=True)
    )
    return {
        name: replace(group, figures={**group.figures, JUDGED: _within(group.figures[JUDGED], *ends[name])})
        if JUDGED in group.figures
        else group
        for name, group in groups.items()
    }


def _within(figure: SeedMean, low: float, high: float) -> SeedMean:
    return replace(figure, low=float(low), high=float(high))


def worst_first(methods: Sequence[MethodGroups]) -> list[str]:
    """Return all group names: first the worst group of every method, then every second worst, and so on.

    Ranks are compared, not gaps: the method with the largest gaps would fill the list with its own groups.
    Groups of equal rank are in order of their largest mean excess gap.
    """
    best: dict[str, tuple[int, float]] = {}
    for method in methods:
        ranked = sorted(method.groups, key=lambda name: -excess_of(method.groups[name]))
        for rank, name in enumerate(ranked):
            before = best.get(name, (rank, float("inf")))
            best[name] = min(before[0], rank), min(before[1], -excess_of(method.groups[name]))
    return sorted(best, key=lambda name: best[name])


def worst_group(method: MethodGroups) -> str:
    """Return the name of the group with the largest mean excess gap."""
    return max(method.groups, key=lambda name: excess_of(method.groups[name]))


def excess_of(group: GroupFigures | None) -> float:
    """Mean excess gap of a group; minus infinity without an estimate, so that it is never the worst."""
    excess = None if group is None else group.figures.get(JUDGED)
    return NO_SEED if excess is None else excess.mean


def write_group_results_csv(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write ``group_results.csv``: a row a run, split and group; percent and points, losses in nats.

    Raises:
        UserError: there is no evaluation.
    """
    if not evaluations:
        raise UserError(f"{path.name}: no evaluation to list; evaluate at least one method first")
    quantities = joined(one.group_quantities for one in evaluations)
    limited = {
        name
        for one in evaluations
        for result in one.splits.values()
        for group in result.groups
        for name, estimate in group.estimates.items()
        if estimate.high is not None
    }
    records = (record for one in evaluations for record in _group_records(one, quantities, limited))
    write_records(list(records), path)


def _group_records(run: Evaluation, quantities: Sequence[Quantity], limited: Set[str]) -> list[dict[str, str]]:
    head = {
        "dataset": run.dataset,
        "target": run.target,
        "group": run.group,
        "model": run.model,
        "seed": str(run.seed),
        "sparsity_percent": plain_percent(run.sparsity),
        "method": run.shown_name,
        "tolerance_percent": plain_percent(run.tolerance),
    }
    return [
        {
            **head,
            "split": split,
            "group_name": group.name,
            "count": str(group.count),
            **{one.name: _number(group.value(one.name), one.unit) for one in quantities},
            **{
                f"{one.name}_{end}": _number(getattr(group.estimate(one.name), end), one.unit)
                for one in quantities
                if one.name in limited
                for end in ("low", "high")
            },
        }
        for split, result in run.splits.items()
        for group in result.groups
    ]


def _number(value: float | None, unit: Unit) -> str:
    return "" if value is None else f"{SCALES[unit] * value:z.4f}"
