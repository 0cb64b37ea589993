"""What a step told its tracker, as JSON lines: the spool outlives a tracker that is down.

Times are milliseconds since 1970 and belong to the call, so that sending a record twice changes nothing.
Paths are relative to the spool's folder, so that a workspace may be moved.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


def now() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Begin:
    """A step started, or started again; parameters are flat and printed."""

    name: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    time: int = field(default_factory=now)


@dataclass(frozen=True)
class Metrics:
    """Metrics by their real names at an epoch."""

    metrics: Mapping[str, float]
    step: int
    time: int = field(default_factory=now)


@dataclass(frozen=True)
class Input:
    """A data set that was read: complete without its files."""

    name: str
    digest: str
    source: str
    schema: str
    profile: str


@dataclass(frozen=True)
class Artifact:
    """A file or folder to attach under ``name``."""

    path: str
    name: str


@dataclass(frozen=True)
class Model:
    """A model artifact with its metrics; ``digest`` is that of its content when it was recorded."""

    path: str
    name: str
    digest: str
    metrics: Mapping[str, float]
    time: int = field(default_factory=now)


@dataclass(frozen=True)
class End:
    """The step is over: ``FINISHED``, ``FAILED`` or ``KILLED``."""

    status: str
    time: int = field(default_factory=now)


Record = Begin | Metrics | Input | Artifact | Model | End
_TYPES: Mapping[str, type[Record]] = {
    kind.__name__.lower(): kind for kind in (Begin, Metrics, Input, Artifact, Model, End)
}


def append(spool: Path, record: Record) -> None:
    """Write one record as one line and hand it to the operating system."""
    line = json.dumps({"call": type(record).__name__.lower(), **asdict(record)}) + "\n"
    with spool.open("ab") as file:
        file.write(line.encode())


def drop_torn_line(spool: Path) -> None:
    """Cut a last line that a crash left without its end."""
    if not spool.exists():
        return
    content = spool.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with spool.open("r+b") as file:
            file.truncate(whole)


def read(spool: Path, start: int = 0) -> Iterator[tuple[Record, int]]:
    """Yield every whole record from byte ``start`` on with the position of the byte after it."""
    if not spool.exists():
        return
    with spool.open("rb") as file:
        file.seek(start)
        end = start
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            raw: dict[str, Any] = json.loads(line)
            yield _TYPES[raw.pop("call")](**raw), end
