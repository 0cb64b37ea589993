"""Sending a spool: every record once, in order, from where the last sending stopped."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from prunegap.artifacts.manifest import write_json
from prunegap.tracking.addresses import without_password
from prunegap.tracking.names import MetricNames
from prunegap.tracking.records import Artifact, Begin, Metrics, Model, Record, read

SENT = "tracking.sent"
MAX_BATCH = 1000


class Sink(Protocol):
    """Where records go in the end. Any exception means: down."""

    uri: str

    def open_step(self, begin: Begin) -> str:
        """Find the step's run, or create it, and return its id."""
        ...

    def compare(self, run_id: str) -> None:
        """Expect that the run may hold what is sent from now on, from a process whose spool is lost."""
        ...

    def send(self, run_id: str, records: Sequence[Record], names: MetricNames, folder: Path) -> None:
        """Send metrics (at most 1,000 values) or one other record; paths are relative to ``folder``."""
        ...


def print_warning(message: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"warning: {message}\n")


class Delivery:
    """Sends the records of one spool; ``tracking.sent`` beside it holds, by URI, the run and the position."""

    def __init__(self, spool: Path, sink: Sink, warn: Callable[[str], None] = print_warning) -> None:
        self._spool, self._sink, self._warn = spool, sink, warn
        self._names = MetricNames()
        self._position = 0
        self._run_id: str | None = None

    def flush(self) -> None:
        """Send every record not yet sent.

        Raises:
            Exception: whatever the sink raised; what was sent before is not sent again.
        """
        if not unsent(self._spool, self._sink.uri):
            return
        run_id = self._run_id = self._run_id or self._open()
        for batch, end in batches(self._spool, self._position):
            if self._is_there(batch[0]):
                self._sink.send(run_id, batch, self._names, self._spool.parent)
            self._position = end
            _write_marker(self._spool, self._sink.uri, run_id, end)

    def _open(self) -> str:
        begin = next((record for record, _ in read(self._spool) if isinstance(record, Begin)), None)
        if begin is None:
            raise ValueError(f"{self._spool}: begin() must be the first call")
        run_id = self._sink.open_step(begin)
        marker = _markers(self._spool).get(without_password(self._sink.uri), {})
        # A run deleted on the server was made anew: everything is owed to it again.
        self._position = int(marker["position"]) if marker.get("run_id") == run_id else 0
        if not self._position:
            self._sink.compare(run_id)
        self._name_what_was_sent()
        return run_id

    def _name_what_was_sent(self) -> None:
        for record, end in read(self._spool):
            if end > self._position:
                return
            if isinstance(record, Metrics):
                for name in record.metrics:
                    self._names.slug(name)

    def _is_there(self, record: Record) -> bool:
        if not isinstance(record, Artifact | Model) or (self._spool.parent / record.path).exists():
            return True
        # Waiting for a file that was deleted would keep everything after it from ever being sent.
        self._warn(
            f"{(self._spool.parent / record.path).resolve()}: not there any more, so '{record.name}' was not sent"
        )
        return False


def batches(spool: Path, start: int) -> Iterator[tuple[list[Record], int]]:
    """Yield records and the position after them: at most 1,000 metric values, or one other record."""
    batch: list[Record] = []
    size, batch_end = 0, start
    for record, end in read(spool, start):
        count = len(record.metrics) if isinstance(record, Metrics) else MAX_BATCH
        if batch and size + count > MAX_BATCH:
            yield batch, batch_end
            batch, size = [], 0
        batch.append(record)
        size, batch_end = size + count, end
    if batch:
        yield batch, batch_end


def unsent(spool: Path, uri: str) -> bool:
    """Say whether the spool holds bytes that ``uri`` has not received."""
    if not spool.exists():
        return False
    return int(_markers(spool).get(without_password(uri), {"position": 0})["position"]) < spool.stat().st_size


def _markers(spool: Path) -> dict[str, dict[str, str | int]]:
    try:
        return json.loads((spool.parent / SENT).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _write_marker(spool: Path, uri: str, run_id: str, position: int) -> None:
    markers = {**_markers(spool), without_password(uri): {"run_id": run_id, "position": position}}
    write_json(spool.parent / SENT, markers)
