"""``baseline``: what the dense model does with each example of every split, and its accuracy and loss per group.

Per example (``outcomes_<split>.safetensors``): predicted class (int64), loss in nats (float32), correct (bool).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import write_json

if TYPE_CHECKING:
    from torch import Tensor

    from prunegap.data.grouped import GroupedDataset
    from prunegap.gaps import GroupPerformance, Outcomes

PREFIX = "outcomes_"
BASELINE = "baseline.json"


@dataclass(frozen=True)
class Baseline(Artifact, kind="baseline", judges="dense_model"):
    """What the dense model does, on every split.

    Attributes:
        outcomes: what it does with each example (on the CPU).
        summary: its accuracy and loss, overall and by the name of the group, as plain JSON values.
    """

    outcomes: Mapping[str, Outcomes]
    summary: Mapping[str, Mapping[str, Any]]

    @classmethod
    def measured(cls, outcomes: Mapping[str, Outcomes], data: GroupedDataset) -> Self:
        """Return the baseline of these outcomes."""
        from prunegap.gaps import performance

        summary = {
            name: _summary(performance(split, data.splits[name].groups, data.num_groups), data)
            for name, split in outcomes.items()
        }
        return cls(outcomes, summary)

    def save(self, folder: Path) -> None:
        """Write the outcomes a split, and ``baseline.json``."""
        save_outcomes(folder, self.outcomes)
        write_json(folder / BASELINE, self.summary)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(load_outcomes(folder), json.loads((folder / BASELINE).read_text()))

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield accuracy and loss of every split, and the accuracy of every group."""
        for name, of_split in self.summary.items():
            metrics: dict[str, float] = {f"{name}/{key}": of_split[key] for key in ("accuracy", "loss")}
            groups: Mapping[str, float | None] = of_split["group_accuracy"]
            yield (
                0,
                metrics | {f"group_accuracy_{name}/{key}": value for key, value in groups.items() if value is not None},
            )


def save_outcomes(folder: Path, outcomes: Mapping[str, Outcomes]) -> None:
    """Write the outcomes of every split (on the CPU), by split name."""
    from prunegap.training.tensor_files import write_tensors

    for name, split in outcomes.items():
        tensors = {"predicted": split.predicted, "loss": split.loss, "correct": split.correct}
        write_tensors(folder / f"{PREFIX}{name}.safetensors", tensors)


def load_outcomes(folder: Path) -> dict[str, Outcomes]:
    """Read what :func:`save_outcomes` wrote."""
    from prunegap.gaps import Outcomes
    from prunegap.training.tensor_files import read_tensors

    return {
        path.stem.removeprefix(PREFIX): Outcomes(**read_tensors(path)[0])
        for path in sorted(folder.glob(f"{PREFIX}*.safetensors"))
    }


def _summary(measured: GroupPerformance, data: GroupedDataset) -> dict[str, object]:
    def by_group(values: Tensor) -> dict[str, float | None]:
        return {
            name: None if value != value else value  # noqa: PLR0124 - NaN: a group without examples
            for name, value in zip(data.group_names, values.tolist(), strict=True)
        }

    return {
        "accuracy": float(measured.accuracy),
        "loss": float(measured.loss),
        "group_count": by_group(measured.group_count),
        "group_accuracy": by_group(measured.group_accuracy),
        "group_loss": by_group(measured.group_loss),
    }
