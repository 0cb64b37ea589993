"""``evaluation``: a sparse model against its dense model, overall and per group, on every split.

Fractions and nats inside; an estimate that does not exist (a group without examples) is ``None``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunegap.artifacts.manifest import write_json

EVALUATION = "evaluation.json"
EVALUATIONS = "evaluations.json"


@dataclass(frozen=True)
class GroupResult:
    """One group on one split."""

    name: str
    count: int
    dense_accuracy: float | None
    accuracy: float | None
    dense_loss: float | None
    loss: float | None
    gap: float | None
    excess_gap: float | None
    churn: float | None
    excessive_loss: float | None


@dataclass(frozen=True)
class SplitResult:
    """All examples of one split; ``feasible``: max_psi is within the tolerance on this split."""

    dense_accuracy: float
    accuracy: float
    dense_loss: float
    loss: float
    overall_gap: float
    max_psi: float
    psi_pw: float
    churn: float
    excessive_loss_spread: float
    group_accuracy_spread: float
    feasible: bool
    groups: tuple[GroupResult, ...]


@dataclass(frozen=True)
class Evaluation:
    """What was run, and what came of it. ``seconds``: wall-clock of fine-tuning."""

    dataset: str
    target: str
    group: str
    model: str
    seed: int
    sparsity: float
    achieved_sparsity: float
    method: str
    tolerance: float
    seconds: float
    splits: Mapping[str, SplitResult]


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write ``evaluation.json`` into an artifact folder."""
    write_json(folder / EVALUATION, asdict(evaluation))


def load_evaluation(folder: Path) -> Evaluation:
    """Read what :func:`save_evaluation` wrote."""
    return _evaluation(json.loads((folder / EVALUATION).read_text()))


def save_evaluations(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write ``evaluations.json``: every evaluation of a comparison, in order."""
    write_json(folder / EVALUATIONS, [asdict(evaluation) for evaluation in evaluations])


def load_evaluations(folder: Path) -> list[Evaluation]:
    """Read what :func:`save_evaluations` wrote."""
    return [_evaluation(raw) for raw in json.loads((folder / EVALUATIONS).read_text())]


def _evaluation(raw: dict[str, Any]) -> Evaluation:
    splits: Any = {name: _split(split) for name, split in raw["splits"].items()}
    return Evaluation(**{**raw, "splits": splits})


def _split(raw: dict[str, Any]) -> SplitResult:
    groups: Any = tuple(GroupResult(**group) for group in raw["groups"])
    return SplitResult(**{**raw, "groups": groups})
