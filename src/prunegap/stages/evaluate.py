"""evaluate: the fine-tuned sparse model against its dense model, overall and per group, on every split."""

from dataclasses import dataclass

from pydantic import Field

from prunegap.artifacts.baseline import load_outcomes, save_outcomes
from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.evaluation import Evaluation, evaluation_metrics, save_evaluation, split_result
from prunegap.artifacts.manifest import read_manifest
from prunegap.artifacts.model import load_model
from prunegap.gaps import compare_outcomes, group_statistics, overall_statistics, quantity_of
from prunegap.report.tables import groups_markdown
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
        method=finetune["method"],
        label=finetune["label"],
        summary=stored.metadata["summary"],
        tolerance=params.tolerance,
        seconds=stored.metadata["seconds"],
        overall_quantities=[quantity_of(one) for one in overall_statistics()],
        group_quantities=[quantity_of(one) for one in group_statistics()],
        splits=splits,
    )
    save_evaluation(outputs.evaluation, evaluation)
    (outputs.evaluation / "groups.md").write_text(groups_markdown(evaluation), encoding="utf-8")
    tracker.log_input(inputs.dataset, "dataset")
    figures = evaluation_metrics(evaluation)
    tracker.log_metrics(figures)
    tracker.log_artifact(outputs.evaluation, "evaluation")
    tracker.log_model(inputs.finetuned_model, "finetuned_model", figures | {"sparsity": stored.metadata["sparsity"]})
