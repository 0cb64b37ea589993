"""Small kinds of artifact, and steps that seal them and tell their tracker as a stage does."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from prunegap.artifacts.identity import Identity
from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import manifest_at, seal, staging_beside, write_json

GROUPS = [f"g{number} (x)" for number in range(60)]
Points = list[tuple[int, dict[str, float]]]


@dataclass(frozen=True)
class Figures(Artifact, kind="test_figures", tracked="files"):
    """Numbers an epoch, kept as files."""

    points: Points

    def save(self, folder: Path) -> None:
        write_json(folder / "points.json", self.points)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls([(epoch, metrics) for epoch, metrics in json.loads((folder / "points.json").read_text())])

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        yield from self.points


@dataclass(frozen=True)
class Judgement(Figures, kind="test_judgement", judges="test_network"):
    """Numbers about a network."""


@dataclass(frozen=True)
class Network(Artifact, kind="test_network", tracked="model"):
    """A model of two files."""

    masks: bytes = b"masks"
    points: Points = field(default_factory=list)

    def save(self, folder: Path) -> None:
        (folder / "weights.safetensors").write_bytes(b"weights")
        (folder / "masks.safetensors").write_bytes(self.masks)
        write_json(folder / "points.json", self.points)

    @classmethod
    def load(cls, folder: Path) -> Self:
        points = Figures.load(folder).points
        return cls((folder / "masks.safetensors").read_bytes(), points)

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        yield from self.points


def sealed(folder: Path, artifact: Artifact, read: Mapping[str, Path] | None = None) -> Path:
    """Seal an artifact and return its folder."""
    staging = staging_beside(folder)
    artifact.save(staging)
    inputs = {name: manifest_at(path).digest for name, path in (read or {}).items()}
    seal(staging, folder, kind=artifact.kind, identity=Identity({"sparsity": 0.9}, inputs), made_on={})
    return folder


def seal_and_tell(tracker, folder: Path, artifact: Artifact, read: Mapping[str, Path] | None = None) -> Path:
    """Seal an output of a step and tell the tracker, as :meth:`prunegap.stages.contract.Stage.run` does."""
    tracker.log_output(folder.name, artifact, sealed(folder, artifact, read), read or {})
    return folder


def epochs(numbers) -> Points:
    """Return an epoch's accuracy of sixty groups whose names MLflow refuses."""
    return [(epoch, {f"group_accuracy/{name}": epoch + i / 100 for i, name in enumerate(GROUPS)}) for epoch in numbers]


def train(tracker, points: Points) -> None:
    """Log epochs as a training does."""
    for epoch, metrics in points:
        tracker.log_metrics(metrics, epoch)
