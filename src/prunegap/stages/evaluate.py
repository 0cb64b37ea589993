"""evaluate: the fine-tuned sparse model against its dense model, overall and per group, on every split."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from prunegap.artifacts.baseline import load_outcomes, save_outcomes
from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.evaluation import Evaluation, GroupResult, SplitResult, save_evaluation
from prunegap.artifacts.manifest import read_manifest
from prunegap.artifacts.model import load_model
from prunegap.gaps import GapReport, compare_outcomes
from prunegap.report.grids import group_grid
from prunegap.report.tables import markdown_grid
from prunegap.stages.checks import require_same_source
from prunegap.stages.contract import (
    BaselinePath,
    DatasetPath,
    DenseModelPath,
    EvaluationPath,
    FinetunedModelPath,
    stage,
)
from prunegap.stages.measuring import measure_splits
from prunegap.stages.training_params import ComputeParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.records import optional


class EvaluateParams(ComputeParams):
    """Parameters of evaluate."""

    dataset_name: str = Field(default="", description="Name of the data set in tables; empty: that of its source.")
    tolerance: float = Field(
        default=0.01, ge=0, description="Excess accuracy gap up to which a model counts as feasible (fraction)."
    )


@dataclass(frozen=True)
class EvaluateInputs:
    """Artifacts evaluate reads."""

    dataset: DatasetPath
    dense_model: DenseModelPath
    baseline: BaselinePath
    finetuned_model: FinetunedModelPath


@dataclass(frozen=True)
class EvaluateOutputs:
    """Artifacts evaluate writes."""

    evaluation: EvaluationPath


@stage(shows={"groups": "evaluation/groups.md"})
def evaluate(params: EvaluateParams, inputs: EvaluateInputs, outputs: EvaluateOutputs, tracker: Tracker) -> None:
    """Measure what pruning and fine-tuning cost each group, on every split."""
    require_same_source(inputs.baseline, "baseline", "dataset", inputs.dataset, "dataset")
    require_same_source(inputs.finetuned_model, "finetuned_model", "baseline", inputs.baseline, "baseline")
    dataset = load_dataset(inputs.dataset)
    stored = load_model(inputs.finetuned_model)
    dense = load_outcomes(inputs.baseline)
    sparse = measure_splits(params, stored, dataset)
    splits = {
        name: split_result(
            compare_outcomes(dense[name], sparse[name], split.groups, dataset.num_groups),
            dataset.group_names,
            params.tolerance,
        )
        for name, split in dataset.splits.items()
    }
    save_outcomes(outputs.evaluation, sparse)
    finetune, prune = stored.metadata["finetune"], stored.metadata["prune"]
    source = read_manifest(inputs.dataset, "dataset").parameters
    evaluation = Evaluation(
        dataset=params.dataset_name or str(source.get("source", "")),
        target=dataset.target,
        group="*".join(dataset.group_by),
        model=stored.spec.name,
        seed=prune["seed"],
        sparsity=prune["sparsity"],
        achieved_sparsity=stored.metadata["sparsity"],
        method=finetune["label"] or finetune["method"],
        tolerance=params.tolerance,
        seconds=stored.metadata["seconds"],
        splits=splits,
    )
    save_evaluation(outputs.evaluation, evaluation)
    tables = [markdown_grid(group_grid([evaluation], evaluation.sparsity, name)) for name in splits]
    shown = [f"## {name}\n\n{table}" for name, table in zip(splits, tables, strict=True)]
    (outputs.evaluation / "groups.md").write_text("\n".join(shown), encoding="utf-8")
    tracker.log_input(inputs.dataset, "dataset")
    for name, split in splits.items():
        tracker.log_metrics(split_metrics(name, split))
    tracker.log_artifact(outputs.evaluation, "evaluation")
    figures = {key: value for name, split in splits.items() for key, value in split_metrics(name, split).items()}
    tracker.log_model(inputs.finetuned_model, "finetuned_model", figures | {"sparsity": stored.metadata["sparsity"]})


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


def split_metrics(name: str, split: SplitResult) -> dict[str, float]:
    """Return what a tracker shows of one split."""
    whole = ("accuracy", "loss", "overall_gap", "max_psi", "psi_pw", "churn", "excessive_loss_spread")
    metrics = {f"{name}/{key}": float(getattr(split, key)) for key in (*whole, "group_accuracy_spread")}
    metrics[f"{name}/feasible"] = float(split.feasible)
    for key in ("accuracy", "excess_gap", "churn"):
        values = {group.name: getattr(group, key) for group in split.groups}
        metrics |= {f"group_{key}_{name}/{group}": value for group, value in values.items() if value is not None}
    return metrics
