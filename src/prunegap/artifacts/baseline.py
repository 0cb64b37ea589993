"""``baseline``: what the dense model does with each example of every split, and its accuracy and loss per group.

Per example (``outcomes_<split>.safetensors``): predicted class (int64), loss in nats (float32), correct (bool).
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from prunegap.artifacts.manifest import write_json
from prunegap.data.grouped import GroupedDataset
from prunegap.gaps import GroupPerformance, Outcomes, performance
from prunegap.training.tensor_files import read_tensors, write_tensors

PREFIX = "outcomes_"


def save_outcomes(folder: Path, outcomes: Mapping[str, Outcomes]) -> None:
    """Write the outcomes of every split (on the CPU), by split name."""
    for name, split in outcomes.items():
        tensors = {"predicted": split.predicted, "loss": split.loss, "correct": split.correct}
        write_tensors(folder / f"{PREFIX}{name}.safetensors", tensors)


def load_outcomes(folder: Path) -> dict[str, Outcomes]:
    """Read what :func:`save_outcomes` wrote."""
    return {
        path.stem.removeprefix(PREFIX): Outcomes(**read_tensors(path)[0])
        for path in sorted(folder.glob(f"{PREFIX}*.safetensors"))
    }


def save_baseline(folder: Path, outcomes: Mapping[str, Outcomes], dataset: GroupedDataset) -> None:
    """Write outcomes per example, and ``baseline.json`` with accuracy and loss overall and per group."""
    save_outcomes(folder, outcomes)
    summary = {
        name: _summary(performance(split, dataset.splits[name].groups, dataset.num_groups), dataset)
        for name, split in outcomes.items()
    }
    write_json(folder / "baseline.json", summary)


def _summary(measured: GroupPerformance, dataset: GroupedDataset) -> dict[str, object]:
    def by_group(values: Tensor) -> dict[str, float | None]:
        return {
            name: None if value != value else value  # noqa: PLR0124 - NaN: a group without examples
            for name, value in zip(dataset.group_names, values.tolist(), strict=True)
        }

    return {
        "accuracy": float(measured.accuracy),
        "loss": float(measured.loss),
        "group_count": by_group(measured.group_count),
        "group_accuracy": by_group(measured.group_accuracy),
        "group_loss": by_group(measured.group_loss),
    }
