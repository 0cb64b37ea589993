"""Two small stages over the real contract: one makes a data set, one reads it and makes two artifacts."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from prunegap.stages.contract import (
    NO_EFFECT,
    DatasetPath,
    EvaluationPath,
    HistoryPath,
    SparseModelPath,
    StageParams,
    checkpoint_of,
    stage,
)
from prunegap.tracking.protocol import NullTracker, Tracker


class MakeParams(StageParams):
    count: int = 3


@dataclass(frozen=True)
class NoInputs:
    pass


@dataclass(frozen=True)
class MakeOutputs:
    dataset: DatasetPath


@stage()
def make_numbers(params: MakeParams, inputs: NoInputs, outputs: MakeOutputs, tracker: Tracker) -> None:
    """Write the first few numbers."""
    (outputs.dataset / "numbers.json").write_text(json.dumps(list(range(params.count))))


class MultiplyParams(StageParams):
    factor: int = 2
    padding: int = Field(default=0, description="Bytes written beside the numbers.")
    crash: bool = Field(default=False, json_schema_extra=NO_EFFECT)
    save_every: int = Field(default=1, json_schema_extra=NO_EFFECT)


@dataclass(frozen=True)
class MultiplyInputs:
    dataset: DatasetPath
    others: tuple[EvaluationPath, ...] = ()


@dataclass(frozen=True)
class MultiplyOutputs:
    sparse_model: SparseModelPath
    history: HistoryPath


@stage()
def multiply(params: MultiplyParams, inputs: MultiplyInputs, outputs: MultiplyOutputs, tracker: Tracker) -> None:
    """Multiply all numbers.

    Only the first line is the summary.
    """
    numbers = json.loads((inputs.dataset / "numbers.json").read_text())
    (outputs.sparse_model / "deep").mkdir()
    (outputs.sparse_model / "deep" / "padding").write_bytes(bytes(params.padding))
    (outputs.history / "length.json").write_text(str(len(numbers)))
    checkpoint_of(params, inputs, outputs.sparse_model).write_text("half-way")
    if params.crash:
        raise ZeroDivisionError("in the middle of the stage")
    (outputs.sparse_model / "numbers.json").write_text(json.dumps([params.factor * n for n in numbers]))


def made(folder: Path, count: int = 3) -> DatasetPath:
    """Return a sealed data set below ``folder``."""
    path = DatasetPath(folder / f"numbers{count}")
    make_numbers(MakeParams(count=count), NoInputs(), MakeOutputs(path), NullTracker())
    return path


def outputs_in(folder: Path) -> MultiplyOutputs:
    return MultiplyOutputs(SparseModelPath(folder / "model"), HistoryPath(folder / "history"))


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
