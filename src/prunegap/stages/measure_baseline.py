"""measure_baseline: what the dense model does with every example, and how well, per group."""

from dataclasses import dataclass

import torch

from prunegap.artifacts.baseline import save_baseline
from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.model import build_stored, load_model
from prunegap.gaps import performance
from prunegap.progress import track
from prunegap.stages.checks import require_fit
from prunegap.stages.contract import BaselinePath, DatasetPath, DenseModelPath, stage
from prunegap.stages.training_params import ComputeParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.evaluation import outcomes_of


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


@stage
def measure_baseline(
    params: MeasureBaselineParams,
    inputs: MeasureBaselineInputs,
    outputs: MeasureBaselineOutputs,
    tracker: Tracker,
) -> None:
    """Measure the dense model's accuracy and loss, overall and per group, on every split."""
    device = params.set_up()
    dataset = load_dataset(inputs.dataset)
    stored = load_model(inputs.dense_model)
    require_fit(stored.spec, dataset)
    model = build_stored(stored).to(device)
    tracker.log_input(inputs.dataset, "dataset")
    outcomes = {
        name: outcomes_of(
            model,
            split.to(device),
            params.image_format(dataset),
            batch_size=params.evaluation_batch_size,
            autocast=params.autocast(),
        ).to(torch.device("cpu"))
        for name, split in track(dataset.splits.items(), len(dataset.splits), "measuring the dense model")
    }
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
