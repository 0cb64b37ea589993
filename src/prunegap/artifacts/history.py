"""``history``: what fine-tuning did, an entry an epoch and a sample of its steps.

Fractions inside. ``None`` stands for a violation that was not observed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prunegap.artifacts.manifest import write_json

HISTORY = "history.json"
MAX_STEP_ROWS = 1000
MAX_NAMED_CONSTRAINTS = 16


@dataclass(frozen=True)
class EpochEntry:
    """One epoch: where training stood at its end.

    ``train_*`` are running means over the epoch's training batches (training mode); ``*_accuracy`` of the
    validation split are None where there is none. ``multipliers`` and ``violations`` are by constraint name,
    empty for plain fine-tuning.
    """

    epoch: int
    learning_rate: float
    sparsity: float
    train_loss: float
    train_accuracy: float
    validation_accuracy: float | None
    multipliers: Mapping[str, float]
    violations: Mapping[str, float | None]
    negative_weight_share: float
    seconds: float


@dataclass(frozen=True)
class StepTrace:
    """Multipliers and violations over at most 1,000 evenly spaced steps.

    ``names``: at most 16 constraints, the most violated ones, and last ``maximum`` over all constraints.
    ``violations[i][j]`` and ``multipliers[i][j]`` belong to step ``steps[i]`` and ``names[j]``.
    """

    names: Sequence[str]
    steps: Sequence[int]
    violations: Sequence[Sequence[float | None]]
    multipliers: Sequence[Sequence[float]]


@dataclass(frozen=True)
class History:
    """The epochs and the step trace of one fine-tuning (``trace`` is None without constraints)."""

    method: str
    seed: int
    sparsity: float
    tolerance: float
    epochs: Sequence[EpochEntry]
    trace: StepTrace | None


def save_history(folder: Path, history: History) -> None:
    """Write ``history.json`` into an artifact folder."""
    write_json(folder / HISTORY, asdict(history))


def load_history(folder: Path) -> History:
    """Read what :func:`save_history` wrote."""
    raw = json.loads((folder / HISTORY).read_text())
    trace = raw.pop("trace")
    epochs = tuple(EpochEntry(**entry) for entry in raw.pop("epochs"))
    return History(**raw, epochs=epochs, trace=None if trace is None else StepTrace(**trace))
