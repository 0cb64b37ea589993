"""Files that a command writes beside its output: where they cannot be written is said in one line, best beforehand."""

import os
from collections.abc import Mapping
from pathlib import Path

from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.atomic import write_atomically
from prunegap.errors import UserError


def check_places(places: Mapping[str, Path], read: Mapping[str, Path]) -> None:
    """Refuse places where files cannot go, before any work is done.

    Args:
        places: by the option that names each.
        read: files that are read, by the option or argument: none may be written over.

    Raises:
        UserError: a folder that is not there, a place that is one, or a file that is named twice.
    """
    named = {path.resolve(): name for name, path in read.items()}
    for name, path in places.items():
        if path.is_dir():
            raise UserError(f"{name} {path}: must be a file, this is a folder")
        if not path.parent.is_dir():
            raise UserError(f"{name} {path}: no such folder as {path.parent}; make it first or choose another")
        if before := named.get(path.resolve()):
            raise UserError(f"{name} {path}: {before} is the same file; choose another")
        named[path.resolve()] = name


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place and rename it into place.

    Raises:
        UserError: whatever the file system says.
    """
    try:
        with clear_disk_errors(path), write_atomically(path) as beside:
            beside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {os.strerror(error.errno or 0)}; choose another place") from error
