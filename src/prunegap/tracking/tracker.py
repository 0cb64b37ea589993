"""A tracker that sends live while its server answers, and once more at the step's end: a dead server never costs a run.

The first failure ends live sending. What the step says after that is kept in memory and sent when the step ends, if
the server is back. After that the sealed artifacts tell: see :func:`prunegap.tracking.upload.send_missing`.
"""

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prunegap.artifacts.comparison import Comparison
from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import manifest_at
from prunegap.tracking.protocol import NullTracker, Tracker
from prunegap.tracking.tracked_step import Step, as_sealed, note, now, status_of, told_digest

if TYPE_CHECKING:
    from prunegap.tracking.mlflow_runs import MlflowStepRun

MAX_BATCH = 1000
LIVE_SECONDS = 2.0
PAUSE_SECONDS = 5.0


class Point(NamedTuple):
    """A metric's value at an epoch; its time belongs to the call, so that sending it twice leaves one of it."""

    name: str
    value: float
    epoch: int
    time: int


class LiveTracker:
    """What a step says, on its way to the step's run.

    Args:
        open_run: finds or makes the run, and brings its parameters and tags up to date.
        on_failure: called at every failure.
        live: False sends nothing before :meth:`end`.
        patience: seconds that :meth:`end` tries again for, where nobody can send later what is missing.
        clock: milliseconds since 1970 that a value is logged at.
    """

    def __init__(
        self,
        open_run: "Callable[[], MlflowStepRun]",
        on_failure: Callable[[Exception], None],
        *,
        live: bool = True,
        patience: float = 0.0,
        clock: Callable[[], int] = now,
    ) -> None:
        self._open_run, self._on_failure, self._clock = open_run, on_failure, clock
        self._run: MlflowStepRun | None = None
        self._live, self._last_sent, self._patience = live, time.monotonic(), patience
        self._points: list[Point] = []
        self._calls: list[Callable[[MlflowStepRun], None]] = []
        self._said: dict[tuple[str, int], Point] = {}

    def begin(self) -> None:
        """Open the step's run."""
        self._send()

    def end(self, step: Step, told: str) -> None:
        """Send what was not sent, and close the run; after a failure the server gets one more try, or some."""
        self._calls.append(lambda run: run.end(step, told))
        patient_until = time.monotonic() + self._patience
        self._send_all()
        while not self._live and time.monotonic() < patient_until:
            time.sleep(PAUSE_SECONDS)
            self._send_all()

    def _send_all(self) -> None:
        if not self._live:
            self._run, self._live = None, True  # looked at again: what was not answered may have arrived
        self._send()

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Send metrics of an epoch within two seconds, or with the next call; the same value is not sent twice."""
        for name, value in metrics.items():
            self._say(name, float(value), step)
        if len(self._points) >= MAX_BATCH or time.monotonic() - self._last_sent >= LIVE_SECONDS:
            self._send()

    def log_input(self, name: str, folder: Path) -> None:
        """Note a data set."""
        self._calls.append(lambda run: run.log_input(name, folder))
        self._send()

    def log_output(self, name: str, artifact: Artifact, folder: Path, read: Mapping[str, Path]) -> None:
        """Show numbers, and attach the files, or keep the model; the model they are about gets the numbers too."""
        del read
        last: dict[str, Point] = {}
        for epoch, metrics in artifact.metrics():
            last |= {key: self._say(key, float(value), epoch) for key, value in metrics.items()}

        def show(run: "MlflowStepRun") -> None:
            points, inputs = tuple(last.values()), manifest_at(folder).identity.inputs
            if artifact.tracked in {"files", "result"}:
                run.log_files(name, folder)
            if artifact.tracked == "result" and isinstance(artifact, Comparison):
                run.log_result(artifact, folder, points)
            if artifact.tracked == "model":
                run.log_model(folder, points)
            if artifact.judges in inputs:
                run.log_model_metrics(inputs[artifact.judges], points)

        self._calls.append(show)
        self._send()

    def _say(self, name: str, value: float, epoch: int) -> Point:
        said = self._said.get((name, epoch))
        if said is None or repr(said.value) != repr(value):
            said = self._said[name, epoch] = Point(name, value, epoch, self._clock())
            self._points.append(said)
        return said

    def _send(self) -> None:
        if not self._live:
            return
        try:
            run = self._run = self._run or self._open_run()
            while self._points:
                run.log_points(self._points[:MAX_BATCH])
                del self._points[:MAX_BATCH]
            while self._calls:
                self._calls[0](run)
                del self._calls[0]
        except Exception as error:
            self._live = False
            self._on_failure(error)
        self._last_sent = time.monotonic()


@contextmanager
def tracked(tracker: LiveTracker | None, step: Step, folder: Path, warn: Callable[[str], None]) -> Generator[Tracker]:
    """Begin a step on entry and end it by how the block is left; a file in the step's folder says so first.

    Without a tracker there is the file alone: an upload may send the step later.
    """

    def end(error: BaseException | None) -> None:
        over = as_sealed(step.over(status_of(error)), folder)
        note(folder, over, warn)
        if tracker:
            # Broken off while it told of what it had sealed: it may lack something, and whoever looks sends that.
            tracker.end(over, told_digest(over, folder) if error is None else "")

    note(folder, step, warn)
    if tracker:
        tracker.begin()
    try:
        yield tracker or NullTracker()
    except BaseException as error:
        end(error)
        raise
    end(None)


def print_warning(message: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"warning: {message}\n")
