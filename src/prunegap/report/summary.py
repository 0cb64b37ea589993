"""Evaluations summarised over seeds, a row a sparsity and method: ``comparison.csv``.

Every figure is computed for each seed and then averaged, as in the published tables: ``max_psi`` is the mean
of the seeds' maxima, so it can exceed the mean excess gap of every single group. A method is feasible on
train when its mean train ``max_psi`` is within the tolerance.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from prunegap.artifacts.evaluation import Evaluation, GroupResult, SplitResult
from prunegap.artifacts.verdict import SHOWN_AS, Verdict
from prunegap.errors import UserError
from prunegap.estimate import Quantity, joined, shown_in
from prunegap.report.seed_mean import SCALES, SeedMean, mean_of_known, mean_over_seeds, plain_percent

if TYPE_CHECKING:
    from prunegap.uncertainty import Audit

PUBLISHED_FIGURES = ("accuracy", "psi_pw", "max_psi")
OTHER_DISPARITIES = ("churn", "excessive_loss_spread", "group_accuracy_spread")
CONTEXT_FIGURES = ("dense_accuracy", "overall_gap", "dense_loss", "loss")
OURS = PUBLISHED_FIGURES + OTHER_DISPARITIES + CONTEXT_FIGURES

Figures: TypeAlias = Mapping[str, SeedMean]
"""Every figure of one split over the seeds that have it, by name (fractions; losses in nats)."""


@dataclass(frozen=True)
class ComparisonRow:
    """One method at one sparsity over all seeds.

    ``feasible_*`` are None without a train split; ``verdicts``: how many of its models are admissible, and so on, on
    the split ``judged_on`` (empty without a verdict).
    """

    dataset: str
    target: str
    group: str
    model: str
    sparsity: float
    method: str
    label: str
    summary: str
    tolerance: float
    seeds: tuple[int, ...]
    feasible_on_train: bool | None
    feasible_seeds: int | None
    judged_on: str
    verdicts: Mapping[str, int]
    achieved_sparsity: SeedMean
    seconds: SeedMean
    quantities: Sequence[Quantity]
    splits: Mapping[str, Figures]

    @property
    def shown_name(self) -> str:
        """The method's name in tables and plots."""
        return self.label or self.method


def summarise(evaluations: Iterable[Evaluation], verdict: Verdict | None = None) -> list[ComparisonRow]:
    """Group by data set, target, group, sparsity and method (by its label), in order of first appearance.

    Raises:
        UserError: a seed given twice, runs of one row that differ in method, tolerance or model, or two sparsities
            that tables and file names write alike.
    """
    groups: dict[tuple[str, str, str, float, str], list[Evaluation]] = {}
    written: dict[str, float] = {}
    for one in evaluations:
        if written.setdefault(plain_percent(one.sparsity), one.sparsity) != one.sparsity:
            percent = plain_percent(one.sparsity)
            raise UserError(
                f"sparsities {written[percent]} and {one.sparsity} are both written {percent} %; compare them apart"
            )
        groups.setdefault((one.dataset, one.target, one.group, one.sparsity, one.shown_name), []).append(one)
    judged = {} if verdict is None else {(one.method, one.sparsity, one.seed): one.audit for one in verdict.models}
    split = "" if verdict is None else verdict.split
    return [_row(runs, judged, split) for runs in groups.values()]


def _row(runs: Sequence[Evaluation], judged: Mapping[tuple[str, float, int], Audit], split: str) -> ComparisonRow:
    _check_alike(runs)
    first = runs[0]
    names = dict.fromkeys(name for run in runs for name in run.splits)
    quantities = joined(run.overall_quantities for run in runs)
    splits = {name: figures_of(quantities, [run.splits[name] for run in runs if name in run.splits]) for name in names}
    on_train = [run.splits["train"].feasible for run in runs if "train" in run.splits]
    keys = [(run.shown_name, run.sparsity, run.seed) for run in runs]
    words = [judged[key].verdict for key in keys if key in judged]
    return ComparisonRow(
        dataset=first.dataset,
        target=first.target,
        group=first.group,
        model=first.model,
        sparsity=first.sparsity,
        method=first.method,
        label=first.label,
        summary=first.summary,
        tolerance=first.tolerance,
        seeds=tuple(run.seed for run in runs),
        feasible_on_train=splits["train"]["max_psi"].mean <= first.tolerance if on_train else None,
        feasible_seeds=sum(on_train) if on_train else None,
        judged_on=split,
        verdicts={word: words.count(word) for word in SHOWN_AS if word in words},
        achieved_sparsity=mean_over_seeds([run.achieved_sparsity for run in runs]),
        seconds=mean_over_seeds([run.seconds for run in runs]),
        quantities=quantities,
        splits=splits,
    )


def figures_of(quantities: Sequence[Quantity], results: Sequence[SplitResult] | Sequence[GroupResult]) -> Figures:
    """Average every quantity over the seeds that have an estimate, with its limits if it has any."""
    means = {one.name: mean_of_known(one, [result.estimate(one.name) for result in results]) for one in quantities}
    return {name: mean for name, mean in means.items() if mean is not None}


def _check_alike(runs: Sequence[Evaluation]) -> None:
    what = f"method '{runs[0].shown_name}' at {plain_percent(runs[0].sparsity)} % sparsity"
    seeds = [run.seed for run in runs]
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        raise UserError(f"{what}: seed {twice} is evaluated twice; give each evaluation once")
    if len(tolerances := {run.tolerance for run in runs}) > 1:
        values = " and ".join(plain_percent(value) for value in sorted(tolerances))
        raise UserError(f"{what}: tolerances of {values} points cannot be averaged; compare one at a time")
    if len(methods := {run.method for run in runs}) > 1:
        raise UserError(
            f"{what}: runs of {' and '.join(sorted(methods))} share this name and cannot be averaged; give each a label"
        )
    if len(models := {run.model for run in runs}) > 1:
        raise UserError(
            f"{what}: models {' and '.join(sorted(models))} cannot be averaged; compare one model at a time"
        )


def write_comparison_csv(rows: Sequence[ComparisonRow], path: Path) -> None:
    """Write ``comparison.csv``: the columns of the published figures first, then more.

    Accuracies, gaps and churn are in percent or percentage points, losses in nats; a standard deviation is
    blank with one seed, and every figure of a split that was not evaluated is blank.

    Raises:
        UserError: there is no row.
    """
    if not rows:
        raise UserError(f"{path.name}: no evaluation to compare; evaluate at least one method first")
    quantities = joined(row.quantities for row in rows)
    write_records([_record(row, quantities) for row in rows], path)


def row_metrics(row: ComparisonRow) -> dict[str, float]:
    """Return what a tracker shows of one method at one sparsity, ``test max psi/ceag 99.5``: means over seeds.

    A figure of all methods stands together, as a tracker has a section of charts for what is before the slash.
    """
    of = f"{row.shown_name} {plain_percent(row.sparsity)}"
    feasible = {} if row.feasible_on_train is None else {f"feasible on train/{of}": float(row.feasible_on_train)}
    feasible |= {f"{word} models/{of}": float(count) for word, count in row.verdicts.items()}
    return feasible | {
        f"{split} {one.heading}/{of}": figures[one.name].mean
        for split, figures in row.splits.items()
        for one in shown_in("table", row.quantities)
        if one.name in figures
    }


def _record(row: ComparisonRow, quantities: Sequence[Quantity]) -> dict[str, str]:
    table = {one.name: one for one in quantities}
    added = [name for name in table if name not in OURS]

    def columns(split: str, names: Sequence[str]) -> dict[str, str]:
        return _split_columns(row, split, [table[name] for name in names if name in table])

    feasible = "" if row.feasible_on_train is None else ("yes" if row.feasible_on_train else "no")
    return {
        "dataset": row.dataset,
        "target": row.target,
        "group": row.group,
        "sparsity_percent": plain_percent(row.sparsity),
        "method": row.shown_name,
        "tolerance_percent": plain_percent(row.tolerance),
        "feasible_on_train": feasible,
        **columns("train", PUBLISHED_FIGURES),
        **columns("test", PUBLISHED_FIGURES),
        "feasible_seeds": "" if row.feasible_seeds is None else str(row.feasible_seeds),
        "seeds": str(len(row.seeds)),
        **columns("train", OTHER_DISPARITIES),
        **columns("test", OTHER_DISPARITIES),
        **_columns("achieved_sparsity_percent", row.achieved_sparsity, 100),
        **_columns("seconds", row.seconds, 1),
        "model": row.model,
        **columns("train", CONTEXT_FIGURES),
        **columns("test", CONTEXT_FIGURES),
        **columns("validation", OURS),
        **columns("train", added),
        **columns("test", added),
        **columns("validation", added),
        **{word: str(row.verdicts.get(word, 0)) for word in SHOWN_AS},
        **_limit_columns(row, quantities),
    }


def _limit_columns(row: ComparisonRow, quantities: Sequence[Quantity]) -> dict[str, str]:
    """Return the limits of every figure that was measured on examples not trained on."""
    columns: dict[str, str] = {}
    for split in ("test", "validation"):
        for one in quantities:
            figure = row.splits.get(split, {}).get(one.name)
            for end in ("low", "high"):
                limit = None if figure is None else getattr(figure, end)
                columns[f"{split}_{one.name}_{end}"] = "" if limit is None else f"{SCALES[one.unit] * limit:z.3f}"
    return columns


def _split_columns(row: ComparisonRow, split: str, quantities: Sequence[Quantity]) -> dict[str, str]:
    figures = row.splits.get(split, {})
    columns: dict[str, str] = {}
    for one in quantities:
        columns |= _columns(f"{split}_{one.name}", figures.get(one.name), SCALES[one.unit])
    return columns


def _columns(name: str, figure: SeedMean | None, scale: int) -> dict[str, str]:
    decimals = 3 if scale == 100 else 4
    mean = "" if figure is None else f"{scale * figure.mean:z.{decimals}f}"
    sd = "" if figure is None or figure.sd is None else f"{scale * figure.sd:.{decimals}f}"
    return {name: mean, f"{name}_sd": sd}


def write_records(records: Sequence[Mapping[str, str]], path: Path) -> None:
    """Write at least one record as CSV; the keys of the first are the header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
