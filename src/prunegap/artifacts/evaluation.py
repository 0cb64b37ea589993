"""``evaluation``: a sparse model against its dense model, overall and per group, on every split.

Fractions and nats inside; an estimate that does not exist (a group without examples) is ``None``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import MANIFEST, read_manifest, write_json

if TYPE_CHECKING:
    from prunegap.gaps import Outcomes

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
class Evaluation(Artifact, kind="evaluation", views={"groups": "groups.md"}, tracked="files", judges="finetuned_model"):
    """What was run, and what came of it.

    Attributes:
        seconds: wall-clock of fine-tuning.
        outcomes: what the model does with each example, by split (on the CPU).
        table: the groups of every split, as Markdown; not read back.
        made_from: digests of what it was made from, by name, once it lies sealed on disk.
    """

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
    outcomes: Mapping[str, Outcomes] = field(default_factory=dict[str, "Outcomes"], repr=False, compare=False)
    table: str = field(default="", repr=False, compare=False)
    made_from: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)

    def save(self, folder: Path) -> None:
        """Write the figures, the outcomes a split, and the table."""
        from prunegap.artifacts.baseline import save_outcomes

        write_json(folder / EVALUATION, _plain(self))
        save_outcomes(folder, self.outcomes)
        (folder / "groups.md").write_text(self.table, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        from prunegap.artifacts.baseline import load_outcomes

        raw = json.loads((folder / EVALUATION).read_text())
        sealed = (folder / MANIFEST).is_file()
        made_from = read_manifest(folder, cls.kind).identity.inputs if sealed else {}
        return cls(**_fields(raw), outcomes=load_outcomes(folder), made_from=made_from)

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield the figures of every split, and of every group that has an estimate."""
        yield 0, {"sparsity": self.achieved_sparsity}
        for name, split in self.splits.items():
            yield 0, split_metrics(name, split)


def split_metrics(name: str, split: SplitResult) -> dict[str, float]:
    """Return what a tracker shows of one split."""
    whole = ("accuracy", "loss", "overall_gap", "max_psi", "psi_pw", "churn", "excessive_loss_spread")
    metrics = {f"{name}/{key}": float(getattr(split, key)) for key in (*whole, "group_accuracy_spread")}
    metrics[f"{name}/feasible"] = float(split.feasible)
    for key in ("accuracy", "excess_gap", "churn"):
        values = {group.name: getattr(group, key) for group in split.groups}
        metrics |= {f"group_{key}_{name}/{group}": value for group, value in values.items() if value is not None}
    return metrics


def save_evaluations(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write ``evaluations.json``: every evaluation of a comparison, in order, without its outcomes."""
    write_json(folder / EVALUATIONS, [_plain(evaluation) for evaluation in evaluations])


def load_evaluations(folder: Path) -> list[Evaluation]:
    """Read what :func:`save_evaluations` wrote."""
    return [Evaluation(**_fields(raw)) for raw in json.loads((folder / EVALUATIONS).read_text())]


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    plain = asdict(replace(evaluation, outcomes={}))
    return {name: value for name, value in plain.items() if name not in {"outcomes", "table", "made_from"}}


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    return {**raw, "splits": {name: _split(split) for name, split in raw["splits"].items()}}


def _split(raw: dict[str, Any]) -> SplitResult:
    groups: Any = tuple(GroupResult(**group) for group in raw["groups"])
    return SplitResult(**{**raw, "groups": groups})
