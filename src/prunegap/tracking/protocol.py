"""What a stage may say to a tracker, and the tracker that says nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from prunegap.artifacts.kind import Artifact


class Tracker(Protocol):
    """Receives what a stage wants a person to see. No call may fail the stage."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Show metrics of an epoch while it goes on; names may hold group names, e.g. ``excess_gap/South Asian``."""
        ...

    def log_input(self, name: str, folder: Path) -> None:
        """Note that a sealed artifact (a data set) is read, by its digest."""
        ...

    def log_output(self, name: str, artifact: Artifact, folder: Path, read: Mapping[str, Path]) -> None:
        """Show all there is to show of an output, once it lies sealed in its folder.

        Args:
            name: of the output.
            artifact: as a value.
            folder: where it lies.
            read: folders of the artifacts that it was made from, by name.
        """
        ...


class NullTracker:
    """Says nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Ignore."""

    def log_input(self, name: str, folder: Path) -> None:
        """Ignore."""

    def log_output(self, name: str, artifact: Artifact, folder: Path, read: Mapping[str, Path]) -> None:
        """Ignore."""


class RememberingTracker:
    """Passes everything on and remembers the last value of every metric of an output.

    Attributes:
        metrics: last value by name.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.metrics: dict[str, float] = {}
        self.log_metrics, self.log_input, self._tracker = tracker.log_metrics, tracker.log_input, tracker

    def log_output(self, name: str, artifact: Artifact, folder: Path, read: Mapping[str, Path]) -> None:
        """Remember and pass on."""
        for _, metrics in artifact.metrics():
            self.metrics |= metrics
        self._tracker.log_output(name, artifact, folder, read)
