"""``evaluation``: a sparse model against its dense model, overall and per group, on every split.

Fractions and nats inside; an estimate that does not exist (a group without examples) has the value ``None``. What
each statistic is stands beside the values, so that they are read without what computed them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import MANIFEST, read_manifest, write_json
from prunegap.errors import UserError
from prunegap.estimate import Estimate, Quantity

if TYPE_CHECKING:
    from torch import Tensor

    from prunegap.gaps import Classification, Measures, Outcomes
    from prunegap.uncertainty import Tally

EVALUATION = "evaluation.json"
EVALUATIONS = "evaluations.json"
CLASSIFICATION = "classification.json"
MEMBERS = "group_of_example.safetensors"
USUAL = TRAIN, VALIDATION, TEST = "train", "validation", "test"
NOT_FIGURES = {"outcomes", "members", "table", "classification", "made_from"}


@dataclass(frozen=True)
class GroupResult:
    """One group on one split: its size and its estimates by the name of the quantity."""

    name: str
    count: int
    estimates: Mapping[str, Estimate]

    def estimate(self, name: str) -> Estimate:
        """Return an estimate; one without a value where there is none."""
        return self.estimates.get(name, Estimate(None))

    def value(self, name: str) -> float | None:
        """Return the value of an estimate, None where there is none."""
        return self.estimate(name).value


@dataclass(frozen=True)
class SplitResult:
    """All examples of one split; ``feasible``: max_psi is within the tolerance on this split."""

    overall: Mapping[str, Estimate]
    feasible: bool
    groups: tuple[GroupResult, ...]

    def estimate(self, name: str) -> Estimate:
        """Return an overall estimate; one without a value where there is none."""
        return self.overall.get(name, Estimate(None))

    def value(self, name: str) -> float | None:
        """Return the value of an overall estimate, None where there is none."""
        return self.estimate(name).value

    def tally(self) -> Tally:
        """Return the counts that a judgement takes: all limits and verdicts follow from them.

        Raises:
            UserError: an evaluation of an earlier version, which lacks them.
        """
        import numpy as np

        from prunegap.uncertainty import PairedCounts, Tally

        def column(name: str) -> list[float]:
            if any(name not in group.estimates for group in self.groups):
                raise UserError(f"an evaluation without {name}, of an earlier version; run evaluate again")
            return [group.value(name) or 0.0 for group in self.groups]

        sizes = [group.count for group in self.groups]
        counts = PairedCounts.of(sizes, column("lost_count"), column("gained_count"))
        right = np.rint(np.asarray(column("dense_accuracy")) * counts.examples).astype(np.int64)
        return Tally(tuple(group.name for group in self.groups), counts, right)


@dataclass(frozen=True)
class Evaluation(
    Artifact,
    kind="evaluation",
    tracked="files",
    judges="finetuned_model",
    views={"groups": "groups.md", "classification": CLASSIFICATION},
):
    """What was run, and what came of it.

    Attributes:
        method: the method of fine-tuning.
        label: its name in tables and plots; empty: the method's.
        summary: what the method does, for readers.
        seconds: wall-clock of fine-tuning.
        overall_quantities: what the overall estimates of a split are, in order.
        group_quantities: what the estimates of a group are, in order.
        alpha: probability that limits miss.
        layers: names of the model's layers by what pruning made of them (:mod:`prunegap.pruning.layer_roles`).
        outcomes: what the model does with each example, by split (on the CPU).
        members: number of the group of each example, by split; none in an evaluation of an earlier version.
        table: the groups of every split, as Markdown; not read back.
        classification: which classes the model confuses, by split; not read back.
        made_from: digests of what it was made from, and its own, by name, once it lies sealed on disk.
    """

    dataset: str
    target: str
    group: str
    model: str
    seed: int
    sparsity: float
    achieved_sparsity: float
    method: str
    label: str
    summary: str
    tolerance: float
    seconds: float
    overall_quantities: Sequence[Quantity]
    group_quantities: Sequence[Quantity]
    splits: Mapping[str, SplitResult]
    alpha: float = 0.05
    layers: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    outcomes: Mapping[str, Outcomes] = field(default_factory=dict[str, "Outcomes"], repr=False, compare=False)
    members: Mapping[str, Tensor] = field(default_factory=dict[str, "Tensor"], repr=False, compare=False)
    table: str = field(default="", repr=False, compare=False)
    classification: Mapping[str, Classification] = field(
        default_factory=dict[str, "Classification"], repr=False, compare=False
    )
    made_from: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)

    @property
    def shown_name(self) -> str:
        """The method's name in tables and plots."""
        return self.label or self.method

    def save(self, folder: Path) -> None:
        """Write the figures, the outcomes a split, and the table."""
        from prunegap.artifacts.baseline import save_outcomes
        from prunegap.training.tensor_files import write_tensors

        write_json(folder / EVALUATION, plain(self))
        save_outcomes(folder, self.outcomes)
        if self.members:
            write_tensors(folder / MEMBERS, self.members)
        (folder / "groups.md").write_text(self.table, encoding="utf-8")
        write_json(folder / CLASSIFICATION, {name: asdict(one) for name, one in self.classification.items()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        from prunegap.artifacts.baseline import load_outcomes
        from prunegap.training.tensor_files import read_tensors

        raw = json.loads((folder / EVALUATION).read_text())
        made_from: dict[str, str] = {}
        if (folder / MANIFEST).is_file():
            manifest = read_manifest(folder, cls.kind)
            made_from = {cls.kind: manifest.digest, **manifest.identity.behind}
        members = read_tensors(folder / MEMBERS)[0] if (folder / MEMBERS).is_file() else {}
        return cls(**_fields(raw), outcomes=load_outcomes(folder), members=members, made_from=made_from)

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield the figures of every split, and of every group that has an estimate."""
        from prunegap.artifacts.evaluation_metrics import evaluation_metrics

        yield 0, {"sparsity": self.achieved_sparsity} | evaluation_metrics(self)


def splits_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the splits that were evaluated: train, validation, test, then any other."""
    present = {name: None for one in evaluations for name in one.splits}
    return sorted(present, key=lambda name: USUAL.index(name) if name in USUAL else len(USUAL))


def judged_split(evaluations: Sequence[Evaluation]) -> str:
    """Return the split that a model is judged on: test, else the last one there is."""
    splits = splits_of(evaluations)
    return TEST if TEST in splits or not splits else splits[-1]


def split_result(measures: Measures, group_names: Sequence[str], tolerance: float) -> SplitResult:
    """Turn the measures of one split into plain values; ``feasible``: max_psi is at most ``tolerance``."""
    counts: list[int] = measures.pair.before.group_count.tolist()
    return SplitResult(
        overall=measures.overall_estimates(),
        feasible=bool(measures.overall["max_psi"] <= tolerance),
        groups=tuple(
            GroupResult(name, count, estimates)
            for name, count, estimates in zip(group_names, counts, measures.group_estimates(), strict=True)
        ),
    )


def save_evaluations(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write ``evaluations.json``: every evaluation of a comparison, in order, without its outcomes."""
    write_json(folder / EVALUATIONS, [plain(evaluation) for evaluation in evaluations])


def load_evaluations(folder: Path) -> list[Evaluation]:
    """Read what :func:`save_evaluations` wrote."""
    return [Evaluation(**_fields(raw)) for raw in json.loads((folder / EVALUATIONS).read_text())]


def plain(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as JSON values; limits that an estimate does not have are left out."""
    fields = asdict(replace(evaluation, outcomes={}, members={}, classification={}))
    raw = {name: value for name, value in fields.items() if name not in NOT_FIGURES}
    for split in raw["splits"].values():
        split["overall"] = _without_blanks(split["overall"])
        for group in split["groups"]:
            group["estimates"] = _without_blanks(group["estimates"])
    return raw


def _fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **raw,
        "overall_quantities": tuple(map(_quantity, raw["overall_quantities"])),
        "group_quantities": tuple(map(_quantity, raw["group_quantities"])),
        "splits": {name: _split(split) for name, split in raw["splits"].items()},
    }


def _quantity(raw: Mapping[str, Any]) -> Quantity:
    fields: dict[str, Any] = {**raw, "places": tuple(raw["places"])}
    return Quantity(**fields)


def _split(raw: Mapping[str, Any]) -> SplitResult:
    groups = tuple(GroupResult(one["name"], one["count"], _estimates(one["estimates"])) for one in raw["groups"])
    return SplitResult(_estimates(raw["overall"]), raw["feasible"], groups)


def _estimates(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {name: Estimate(**fields) for name, fields in raw.items()}


def _without_blanks(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value for key, value in fields.items() if key == "value" or value not in (None, "")}
        for name, fields in raw.items()
    }
