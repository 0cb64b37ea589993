"""Files that are never half-written: a new one lies beside its place until it is whole, then takes it."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from secrets import token_hex


@contextmanager
def write_atomically(path: Path, *, durable: bool = False) -> Generator[Path]:
    """Yield a path beside ``path`` to write to; at the end it is renamed to ``path``, or removed after an error.

    No two writers are given the same one, so each of two at one place leaves a whole file. It has the suffix of
    ``path`` and is not there yet: who opens it decides its permissions. An error of the file system names ``path``.

    Args:
        path: where the file appears; one that is there already is replaced.
        durable: have the disk confirm the content before the rename, so that a crash of the machine leaves no empty
            file under the name of a good one.
    """
    beside = path.with_name(f".{path.stem}.{token_hex(8)}.partial{path.suffix}")
    try:
        yield beside
        if durable:
            with beside.open("rb") as file:
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if error.filename == str(beside):
            error.filename = str(path)
        raise
    finally:
        beside.unlink(missing_ok=True)


def leftovers(path: Path) -> Iterator[Path]:
    """Yield what writers of ``path`` left beside it when they were killed, and what others write at this moment."""
    return path.parent.glob(f".{escape(path.stem)}.{'[0-9a-f]' * 16}.partial{escape(path.suffix)}")
