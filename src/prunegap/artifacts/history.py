"""``history``: what fine-tuning did, an entry an epoch and a sample of its steps.

Fractions inside. ``None`` stands for a violation that was not observed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from prunegap.artifacts.manifest import write_json
from prunegap.training.records import EpochEntry, StepTrace

__all__ = ["EpochEntry", "History", "StepTrace", "load_history", "save_history"]

HISTORY = "history.json"


@dataclass(frozen=True)
class History:
    """The epochs and the step trace of one fine-tuning.

    Attributes:
        method: the method of fine-tuning.
        label: its name in tables and plots; empty: the method's.
        measures: what the violations are differences of, ``accuracy`` (fractions) or ``loss`` (nats); empty without
            constraints.
        trace: None without constraints.
    """

    method: str
    label: str
    measures: Literal["accuracy", "loss", ""]
    seed: int
    sparsity: float
    tolerance: float
    epochs: Sequence[EpochEntry]
    trace: StepTrace | None

    @property
    def shown_name(self) -> str:
        """The method's name in tables and plots."""
        return self.label or self.method


def save_history(folder: Path, history: History) -> None:
    """Write ``history.json`` into an artifact folder."""
    write_json(folder / HISTORY, asdict(history))


def load_history(folder: Path) -> History:
    """Read what :func:`save_history` wrote."""
    raw = json.loads((folder / HISTORY).read_text())
    trace = raw.pop("trace")
    epochs = tuple(EpochEntry(**entry) for entry in raw.pop("epochs"))
    return History(**raw, epochs=epochs, trace=None if trace is None else StepTrace(**trace))
