"""evaluate: the fine-tuned sparse model against its dense model, overall and per group, on every split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.evaluation import Evaluation, GroupResult, SplitResult
from prunegap.artifacts.trained_models import FinetunedModel
from prunegap.report.grids import group_grid
from prunegap.report.tables import markdown_grid
from prunegap.stages.contract import stage
from prunegap.stages.measuring import measure_splits
from prunegap.stages.training_params import ComputeParams
from prunegap.training.records import optional

if TYPE_CHECKING:
    from prunegap.gaps import GapReport


class EvaluateParams(ComputeParams):
    """Parameters of evaluate."""

    dataset_name: str = Field(default="", description="Name of the data set in tables; empty: that of its source.")
    tolerance: float = Field(
        default=0.01, ge=0, description="Excess accuracy gap up to which a model counts as feasible (fraction)."
    )


@stage
def evaluate(
    params: EvaluateParams, dataset: Dataset, baseline: Baseline, finetuned_model: FinetunedModel
) -> Evaluation:
    """Measure what pruning and fine-tuning cost each group, on every split."""
    from prunegap.gaps import compare_outcomes

    data, trained_by = dataset.data, finetuned_model.trained_by
    outcomes = measure_splits(params, finetuned_model.network, data)
    evaluation = Evaluation(
        dataset=params.dataset_name or dataset.source,
        target=data.target,
        group="*".join(data.group_by),
        model=finetuned_model.network.spec.name,
        seed=trained_by.pruning.seed,
        sparsity=trained_by.pruning.sparsity,
        achieved_sparsity=trained_by.pruning.achieved_sparsity,
        method=trained_by.label,
        tolerance=params.tolerance,
        seconds=trained_by.seconds,
        splits={
            name: split_result(
                compare_outcomes(baseline.outcomes[name], outcomes[name], split.groups, data.num_groups),
                data.group_names,
                params.tolerance,
            )
            for name, split in data.splits.items()
        },
        outcomes=outcomes,
    )
    return replace(evaluation, table=_table(evaluation))


def _table(evaluation: Evaluation) -> str:
    """Return the groups of every split as Markdown."""
    tables = {name: markdown_grid(group_grid([evaluation], evaluation.sparsity, name)) for name in evaluation.splits}
    return "\n".join(f"## {name}\n\n{table}" for name, table in tables.items())


def split_result(report: GapReport, group_names: Sequence[str], tolerance: float) -> SplitResult:
    """Turn a gap report into plain values; ``feasible``: max_psi is at most ``tolerance``."""
    counts: list[int] = report.dense.group_count.tolist()
    columns = {
        "dense_accuracy": report.dense.group_accuracy,
        "accuracy": report.sparse.group_accuracy,
        "dense_loss": report.dense.group_loss,
        "loss": report.sparse.group_loss,
        "gap": report.group_gap,
        "excess_gap": report.excess_gap,
        "churn": report.group_churn,
        "excessive_loss": report.excessive_loss,
    }
    plain = {key: optional(values.tolist()) for key, values in columns.items()}
    groups = tuple(
        GroupResult(name=name, count=counts[i], **{key: values[i] for key, values in plain.items()})
        for i, name in enumerate(group_names)
    )
    return SplitResult(
        dense_accuracy=float(report.dense.accuracy),
        accuracy=float(report.sparse.accuracy),
        dense_loss=float(report.dense.loss),
        loss=float(report.sparse.loss),
        overall_gap=float(report.overall_gap),
        max_psi=float(report.max_psi),
        psi_pw=float(report.psi_pw),
        churn=float(report.churn),
        excessive_loss_spread=float(report.excessive_loss_spread),
        group_accuracy_spread=float(report.group_accuracy_spread),
        feasible=bool(report.max_psi <= tolerance),
        groups=groups,
    )
