"""What the workers of one session share: things made once, and servers that live as long as anybody uses them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The session's own folder: every worker's lies in it, or it is the only one."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def alone(lock: Path) -> Generator[None]:
    """Keep the other workers waiting."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker to ask has filled; it is only to be read."""
    done = folder.with_name(f"{folder.name}.done")
    with alone(folder.with_name(f"{folder.name}.lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a worker that failed left
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@contextmanager
def lent(folder: Path, begin: Callable[[Path], str], end: Callable[[str], object]) -> Generator[str]:
    """Yield what the first worker to ask has begun, in words; the last to leave ends it.

    Args:
        folder: where the workers note it, and where ``begin`` may leave its files.
        begin: starts it and says what the others, and ``end``, need to know.
        end: stops it.
    """
    folder.mkdir(exist_ok=True)
    note = folder / "note"
    with alone(folder / "lock"):
        if not _used(folder):
            note.write_text(begin(folder))
        use = (folder / "users").open("a")
        fcntl.flock(use, fcntl.LOCK_SH)
    try:
        yield note.read_text()
    finally:
        with alone(folder / "lock"):
            use.close()
            if not _used(folder):
                end(note.read_text())


def _used(folder: Path) -> bool:
    with (folder / "users").open("a") as probe:
        return not _locked(probe)


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
