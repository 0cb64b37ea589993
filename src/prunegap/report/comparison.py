"""Evaluations summarised over seeds, a row a sparsity and method: ``comparison.csv``.

Every figure is computed for each seed and then averaged, as in the published tables: ``max_psi`` is the mean
of the seeds' maxima, so it can exceed the mean excess gap of every single group. A method is feasible on
train when its mean train ``max_psi`` is within the tolerance.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from prunegap.artifacts.evaluation import Evaluation, SplitResult
from prunegap.errors import UserError
from prunegap.report.seed_mean import SeedMean, mean_over_seeds, plain_percent

PUBLISHED_FIGURES = ("accuracy", "psi_pw", "max_psi")
OTHER_DISPARITIES = ("churn", "excessive_loss_spread", "group_accuracy_spread")
CONTEXT_FIGURES = ("dense_accuracy", "overall_gap", "dense_loss", "loss")
IN_NATS = frozenset({"excessive_loss_spread", "dense_loss", "loss"})


@dataclass(frozen=True)
class SplitFigures:
    """Every figure of one split over the seeds that have it (fractions; losses in nats)."""

    dense_accuracy: SeedMean
    accuracy: SeedMean
    dense_loss: SeedMean
    loss: SeedMean
    overall_gap: SeedMean
    max_psi: SeedMean
    psi_pw: SeedMean
    churn: SeedMean
    excessive_loss_spread: SeedMean
    group_accuracy_spread: SeedMean


@dataclass(frozen=True)
class ComparisonRow:
    """One method at one sparsity over all seeds. ``feasible_*`` are None without a train split."""

    dataset: str
    target: str
    group: str
    model: str
    sparsity: float
    method: str
    tolerance: float
    seeds: tuple[int, ...]
    feasible_on_train: bool | None
    feasible_seeds: int | None
    achieved_sparsity: SeedMean
    seconds: SeedMean
    splits: Mapping[str, SplitFigures]


def summarise(evaluations: Iterable[Evaluation]) -> list[ComparisonRow]:
    """Group by data set, target, group, sparsity and method, in order of first appearance.

    Raises:
        UserError: a seed given twice, runs of one row that differ in tolerance or model, or two sparsities that
            tables and file names write alike.
    """
    groups: dict[tuple[str, str, str, float, str], list[Evaluation]] = {}
    written: dict[str, float] = {}
    for one in evaluations:
        if written.setdefault(plain_percent(one.sparsity), one.sparsity) != one.sparsity:
            percent = plain_percent(one.sparsity)
            raise UserError(
                f"sparsities {written[percent]} and {one.sparsity} are both written {percent} %; compare them apart"
            )
        groups.setdefault((one.dataset, one.target, one.group, one.sparsity, one.method), []).append(one)
    return [_row(runs) for runs in groups.values()]


def _row(runs: Sequence[Evaluation]) -> ComparisonRow:
    _check_alike(runs)
    first = runs[0]
    names = dict.fromkeys(name for run in runs for name in run.splits)
    splits = {name: _split_figures([run.splits[name] for run in runs if name in run.splits]) for name in names}
    on_train = [run.splits["train"].feasible for run in runs if "train" in run.splits]
    return ComparisonRow(
        dataset=first.dataset,
        target=first.target,
        group=first.group,
        model=first.model,
        sparsity=first.sparsity,
        method=first.method,
        tolerance=first.tolerance,
        seeds=tuple(run.seed for run in runs),
        feasible_on_train=splits["train"].max_psi.mean <= first.tolerance if on_train else None,
        feasible_seeds=sum(on_train) if on_train else None,
        achieved_sparsity=mean_over_seeds([run.achieved_sparsity for run in runs]),
        seconds=mean_over_seeds([run.seconds for run in runs]),
        splits=splits,
    )


def _split_figures(results: Sequence[SplitResult]) -> SplitFigures:
    names = [field.name for field in fields(SplitFigures)]
    return SplitFigures(**{name: mean_over_seeds([getattr(one, name) for one in results]) for name in names})


def _check_alike(runs: Sequence[Evaluation]) -> None:
    what = f"method '{runs[0].method}' at {plain_percent(runs[0].sparsity)} % sparsity"
    seeds = [run.seed for run in runs]
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        raise UserError(f"{what}: seed {twice} is evaluated twice; give each evaluation once")
    if len(tolerances := {run.tolerance for run in runs}) > 1:
        values = " and ".join(plain_percent(value) for value in sorted(tolerances))
        raise UserError(f"{what}: tolerances of {values} points cannot be averaged; compare one at a time")
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
    write_records([_record(row) for row in rows], path)


def _record(row: ComparisonRow) -> dict[str, str]:
    feasible = "" if row.feasible_on_train is None else ("yes" if row.feasible_on_train else "no")
    return {
        "dataset": row.dataset,
        "target": row.target,
        "group": row.group,
        "sparsity_percent": plain_percent(row.sparsity),
        "method": row.method,
        "tolerance_percent": plain_percent(row.tolerance),
        "feasible_on_train": feasible,
        **_split_columns(row, "train", PUBLISHED_FIGURES),
        **_split_columns(row, "test", PUBLISHED_FIGURES),
        "feasible_seeds": "" if row.feasible_seeds is None else str(row.feasible_seeds),
        "seeds": str(len(row.seeds)),
        **_split_columns(row, "train", OTHER_DISPARITIES),
        **_split_columns(row, "test", OTHER_DISPARITIES),
        **_columns("achieved_sparsity_percent", row.achieved_sparsity, 100),
        **_columns("seconds", row.seconds, 1),
        "model": row.model,
        **_split_columns(row, "train", CONTEXT_FIGURES),
        **_split_columns(row, "test", CONTEXT_FIGURES),
        **_split_columns(row, "validation", PUBLISHED_FIGURES + OTHER_DISPARITIES + CONTEXT_FIGURES),
    }


def _split_columns(row: ComparisonRow, split: str, names: Sequence[str]) -> dict[str, str]:
    figures = row.splits.get(split)
    columns: dict[str, str] = {}
    for name in names:
        figure = None if figures is None else getattr(figures, name)
        columns |= _columns(f"{split}_{name}", figure, 1 if name in IN_NATS else 100)
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
