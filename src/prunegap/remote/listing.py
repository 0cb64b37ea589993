"""What lies at a location."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prunegap.errors import UserError


@dataclass(frozen=True)
class Entry:
    """A file."""

    path: str
    size: int
    stamp: str


def listing(location: str) -> tuple[Entry, ...]:
    """List a file or folder."""
    path = Path(location).expanduser()
    if location.startswith("s3://") or not path.exists():
        raise UserError(f"{location}: nothing there")
    return tuple(sorted(_walk(path), key=lambda one: one.path))


def _walk(path: Path) -> Iterator[Entry]:
    if path.is_file():
        found = path.stat()
        yield Entry(path.name, found.st_size, str(found.st_mtime_ns))
        return
    for folder, _, files in os.walk(path):
        for name in files:
            found = Path(folder, name).stat()
            yield Entry(Path(folder, name).relative_to(path).as_posix(), found.st_size, str(found.st_mtime_ns))
