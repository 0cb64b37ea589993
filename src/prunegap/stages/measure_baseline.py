"""measure_baseline: what the dense model does with every example, and how well, per group."""

from dataclasses import dataclass

from prunegap.artifacts.baseline import save_baseline
from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.model import load_model
from prunegap.gaps import performance
from prunegap.stages.contract import BaselinePath, DatasetPath, DenseModelPath, stage
from prunegap.stages.measuring import measure_splits
from prunegap.stages.training_params import ComputeParams
from prunegap.tracking.protocol import Tracker


class MeasureBaselineParams(ComputeParams):
    """Parameters of measure_baseline."""


@dataclass(frozen=True)
class MeasureBaselineInputs:
    """Artifacts measure_baseline reads."""

    dataset: DatasetPath
    dense_model: DenseModelPath


@dataclass(frozen=True)
class MeasureBaselineOutputs:
    """Artifacts measure_baseline writes."""

    baseline: BaselinePath


@stage()
def measure_baseline(
    params: MeasureBaselineParams,
    inputs: MeasureBaselineInputs,
    outputs: MeasureBaselineOutputs,
    tracker: Tracker,
) -> None:
    """Measure the dense model's accuracy and loss, overall and per group, on every split."""
    dataset = load_dataset(inputs.dataset)
    tracker.log_input(inputs.dataset, "dataset")
    outcomes = measure_splits(params, load_model(inputs.dense_model), dataset)
    save_baseline(outputs.baseline, outcomes, dataset)
    for name, split in dataset.splits.items():
        measured = performance(outcomes[name], split.groups, dataset.num_groups)
        tracker.log_metrics(
            {f"{name}/accuracy": float(measured.accuracy), f"{name}/loss": float(measured.loss)}
            | {
                f"group_accuracy_{name}/{group}": value
                for group, value in zip(dataset.group_names, measured.group_accuracy.tolist(), strict=True)
            }
        )
