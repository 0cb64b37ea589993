"""``history``: what a training did, an entry an epoch and a sample of its steps.

Fractions inside. ``None`` stands for a violation that was not observed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import write_json
from prunegap.training.records import EpochEntry, StepTrace

HISTORY = "history.json"


_UNIT_BEFORE = {"accuracy": "fraction", "loss": "nats"}
"""Of what was measured when a history did not say its unit."""


@dataclass(frozen=True)
class History(Artifact, kind="history", tracked="files"):
    """The epochs and the step trace of one training.

    Attributes:
        method: how it was trained.
        seed: of the training.
        sparsity: at its end.
        tolerance: that a constrained method was given (fraction).
        epochs: an entry an epoch.
        trace: a sample of the steps; None without constraints.
        parameters: of the stage, those that decide the result, for a reader.
        label: the method's name in tables and plots; empty: its own.
        measures: what the violations are differences of, by name; empty without constraints.
        unit: of that, ``fraction`` or ``nats``; empty without constraints.
    """

    method: str
    seed: int
    sparsity: float
    tolerance: float
    epochs: Sequence[EpochEntry]
    trace: StepTrace | None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    label: str = ""
    measures: str = ""
    unit: Literal["fraction", "nats", ""] = ""

    @property
    def shown_name(self) -> str:
        """The method's name in tables and plots."""
        return self.label or self.method

    def save(self, folder: Path) -> None:
        """Write ``history.json``."""
        write_json(folder / HISTORY, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        raw = json.loads((folder / HISTORY).read_text())
        trace = raw.pop("trace")
        raw.setdefault("unit", _UNIT_BEFORE.get(raw.get("measures", ""), ""))
        epochs = tuple(EpochEntry(**entry) for entry in raw.pop("epochs"))
        return cls(**raw, epochs=epochs, trace=None if trace is None else StepTrace(**trace))

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield what a tracker shows of every epoch."""
        for entry in self.epochs:
            yield entry.epoch, epoch_metrics(entry)


def epoch_metrics(entry: EpochEntry) -> dict[str, float]:
    """Return what a tracker shows of one epoch; what was not observed is left out."""
    metrics: dict[str, float | None] = {
        "train_loss": entry.train_loss,
        "train_accuracy": entry.train_accuracy,
        "validation_accuracy": entry.validation_accuracy,
        "learning_rate": entry.learning_rate,
        "overall_sparsity": entry.sparsity,
    }
    metrics |= {f"group_accuracy/{name}": value for name, value in entry.group_accuracy.items()}
    metrics |= {f"excess_gap/{name}": value for name, value in entry.excess_gap.items()}
    if entry.multipliers:
        metrics["negative_weight_share"] = entry.negative_weight_share
        metrics |= {f"multiplier/{name}": value for name, value in entry.multipliers.items()}
        metrics |= {f"violation/{name}": value for name, value in entry.violations.items()}
    return {name: value for name, value in metrics.items() if value is not None}
