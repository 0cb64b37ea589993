"""What a stage may say to a tracker, and the tracker that says nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Tracker(Protocol):
    """Receives what a stage wants a person to see. No call may fail the stage."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Record metrics at an epoch; names may hold group names, e.g. ``excess_gap/South Asian``."""
        ...

    def log_input(self, artifact: Path, name: str) -> None:
        """Record that an artifact (a data set) was read, by its digest."""
        ...

    def log_artifact(self, path: Path, name: str) -> None:
        """Attach a file or folder under ``name``."""
        ...

    def log_model(self, artifact: Path, name: str, metrics: Mapping[str, float]) -> None:
        """Record a model artifact (weights and masks) as a logged model with its metrics."""
        ...


class NullTracker:
    """Says nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Ignore."""

    def log_input(self, artifact: Path, name: str) -> None:
        """Ignore."""

    def log_artifact(self, path: Path, name: str) -> None:
        """Ignore."""

    def log_model(self, artifact: Path, name: str, metrics: Mapping[str, float]) -> None:
        """Ignore."""


class RememberingTracker:
    """Passes everything on and remembers the last value of every metric.

    Attributes:
        metrics: last value by name.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.metrics: dict[str, float] = {}
        self._tracker = tracker

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Remember and pass on."""
        self.metrics.update(metrics)
        self._tracker.log_metrics(metrics, step)

    def log_input(self, artifact: Path, name: str) -> None:
        """Pass on."""
        self._tracker.log_input(artifact, name)

    def log_artifact(self, path: Path, name: str) -> None:
        """Pass on."""
        self._tracker.log_artifact(path, name)

    def log_model(self, artifact: Path, name: str, metrics: Mapping[str, float]) -> None:
        """Pass on."""
        self._tracker.log_model(artifact, name, metrics)
