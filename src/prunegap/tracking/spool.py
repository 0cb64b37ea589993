"""A tracker that writes everything down first and sends it second: a dead server never costs a run."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from prunegap.tracking.delivery import MAX_BATCH, Delivery, Sink, print_warning
from prunegap.tracking.inputs import artifact_digest, describe_input
from prunegap.tracking.names import flatten
from prunegap.tracking.reasons import failure_line
from prunegap.tracking.records import (
    Artifact,
    Begin,
    End,
    Input,
    Metrics,
    Model,
    Record,
    append,
    drop_torn_line,
    read,
)

SPOOL = "tracking.jsonl"
FLUSH_SECONDS = 2.0
STAGING_SUFFIX = ".partial"


class SpooledTracker:
    """Appends every call to ``spool`` and sends it through ``sink``, in batches, while the sink works.

    The first failure of the sink ends sending for this tracker and calls ``on_failure`` once; the spool
    stays, and :func:`prunegap.tracking.session.upload` sends the rest. A step that runs again with the same
    spool goes on in the same run; a metric said again with the same epoch and value is not recorded twice.
    What lies in a staging folder (``<output>.partial``) is recorded by :meth:`end`, under its final path.
    """

    def __init__(
        self,
        spool: Path,
        sink: Sink | None,
        on_failure: Callable[[Exception], None] | None = None,
        warn: Callable[[str], None] = print_warning,
    ) -> None:
        self._spool, self._warn = spool, warn
        self._uri = sink.uri if sink else ""
        self._on_failure = on_failure or self._warn_of_failure
        self._delivery = Delivery(spool, sink, warn) if sink else None
        self._writable = True
        self._pending, self._last_flush = 0, time.monotonic()
        self._staged: list[Artifact | Model] = []
        drop_torn_line(spool)
        self._said: dict[object, str] = {}
        for record, _ in read(spool):
            self._remember(record)

    def begin(self, name: str, parameters: Mapping[str, object], tags: Mapping[str, str]) -> None:
        """Open the step's run; a step that begins again goes on in the same run."""
        self._record(Begin(name, flatten(parameters), dict(tags)))

    def end(self, status: str) -> None:
        """Close the step's run as ``FINISHED``, ``FAILED`` or ``KILLED`` and send the rest."""
        # A step that failed sealed nothing: what lies at a final path then is from an earlier attempt.
        for record in self._staged if status == "FINISHED" else ():
            self._record_file(record, flush=False)
        self._staged = []
        self._record(End(status))

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Record metrics at an epoch; they reach the sink within two seconds, or with the next call."""
        values = {name: float(value) for name, value in metrics.items()}
        new = [name for name, value in values.items() if self._said.get((name, step)) != repr(value)]
        for start in range(0, len(new), MAX_BATCH):
            part = {name: values[name] for name in new[start : start + MAX_BATCH]}
            self._pending += len(part)
            due = self._pending >= MAX_BATCH or time.monotonic() - self._last_flush >= FLUSH_SECONDS
            self._record(Metrics(part, step), flush=due)

    def log_input(self, artifact: Path, name: str) -> None:
        """Record that a sealed artifact was read, by its digest."""
        record = describe_input(artifact, name)
        if record is None:
            self._warn(f"{artifact}: not recorded as an input: there is no readable manifest")
            return
        if self._said.get((Input, name)) != repr(record):
            self._record(record)

    def log_artifact(self, path: Path, name: str) -> None:
        """Attach a file or folder; ``name`` is its whole path in the run, e.g. ``report/comparison.html``."""
        self._record_or_stage(path, Artifact(self._final(path), name))

    def log_model(self, artifact: Path, name: str, metrics: Mapping[str, float]) -> None:
        """Record a model artifact, all its files, as a logged model with its metrics."""
        values = {key: float(value) for key, value in metrics.items()}
        self._record_or_stage(artifact, Model(self._final(artifact), name, "", values))

    def _final(self, path: Path) -> str:
        parts = (part.removesuffix(STAGING_SUFFIX) for part in path.absolute().parts)
        return Path(os.path.relpath(Path(*parts), self._spool.parent.absolute())).as_posix()

    def _record_or_stage(self, path: Path, record: Artifact | Model) -> None:
        if any(part.endswith(STAGING_SUFFIX) for part in path.absolute().parts):
            self._staged.append(record)
        else:
            self._record_file(record)

    def _record_file(self, record: Artifact | Model, flush: bool = True) -> None:
        if isinstance(record, Model):
            digest = artifact_digest(self._spool.parent / record.path) or ""
            record = replace(record, digest=digest)
            if self._said.get((Model, record.name)) == repr((digest, record.metrics)):
                return
        self._record(record, flush)

    def _remember(self, record: Record) -> None:
        match record:
            case Metrics(metrics, step):
                self._said.update({(name, step): repr(value) for name, value in metrics.items()})
            case Input(name):
                self._said[Input, name] = repr(record)
            case Model():
                self._said[Model, record.name] = repr((record.digest, record.metrics))
            case _:
                pass

    def _record(self, record: Record, flush: bool = True) -> None:
        if not self._writable:
            return
        try:
            self._spool.parent.mkdir(parents=True, exist_ok=True)
            append(self._spool, record)
            self._remember(record)
        except OSError as error:
            self._writable = False
            self._warn(f"{self._spool}: cannot be written ({error.strerror}); the step goes on without tracking")
            return
        if flush:
            self._flush()

    def _flush(self) -> None:
        if self._delivery is None:
            return
        try:
            self._delivery.flush()
        except Exception as error:
            self._delivery = None
            self._on_failure(error)
        self._pending, self._last_flush = 0, time.monotonic()

    def _warn_of_failure(self, error: Exception) -> None:
        self._warn(failure_line(error, self._uri, "WORKSPACE"))
