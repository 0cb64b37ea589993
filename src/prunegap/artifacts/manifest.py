"""An artifact is a directory with a ``manifest.json``: its kind, the sha256 of every file, and what made it.

A stage writes plain files into a staging folder; :func:`seal` hashes them, writes the manifest and renames
the folder into place, so that a crash leaves the old artifact or none. :func:`check` refuses by name what
has another kind or schema version, a missing file or a wrong hash.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunegap.errors import UserError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What an artifact is, what it holds and what made it."""

    kind: str
    schema_version: int
    files: Mapping[str, str]
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    code_version: str

    @property
    def digest(self) -> str:
        """sha256 over the kind and the hashes of all files: equal content, equal digest."""
        text = json.dumps([self.kind, self.schema_version, dict(sorted(self.files.items()))])
        return hashlib.sha256(text.encode()).hexdigest()


def seal(
    staging: Path,
    target: Path,
    *,
    kind: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, str],
    code_version: str,
) -> Manifest:
    """Hash the files of ``staging``, write their manifest, and rename the folder to ``target``.

    Args:
        staging: folder with the finished files, on the same file system as ``target``.
        target: where the artifact appears; an older artifact there is replaced.
        kind: the artifact's kind, e.g. ``sparse_model``.
        parameters: parameters of the stage that made it (plain JSON values).
        inputs: digest of each input artifact by name.
        code_version: version of the program that made it.

    Returns:
        The manifest as written.
    """
    files = {
        path.relative_to(staging).as_posix(): sha256_of(path)
        for path in sorted(staging.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    manifest = Manifest(kind, SCHEMA_VERSION, files, parameters, inputs, code_version)
    write_json(staging / MANIFEST, asdict(manifest))
    if target.exists():
        shutil.rmtree(target)
    staging.replace(target)
    return manifest


def read_manifest(path: Path, kind: str) -> Manifest:
    """Read an artifact's manifest and check its kind and schema version, not yet its files.

    Raises:
        UserError: no artifact there, an unreadable manifest, another kind or schema version.
    """
    try:
        manifest = Manifest(**json.loads((path / MANIFEST).read_text()))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no {kind} artifact there ({MANIFEST} is missing); name the folder a stage wrote"
        ) from None
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path / MANIFEST}: unreadable manifest ({error}); run the stage that wrote it again"
        ) from None
    if manifest.kind != kind:
        raise UserError(f"{path}: expected an artifact of kind '{kind}', found '{manifest.kind}'")
    if manifest.schema_version != SCHEMA_VERSION:
        raise UserError(
            f"{path}: {kind} artifact has schema version {manifest.schema_version}, this program reads "
            f"{SCHEMA_VERSION}; run the stage that wrote it again"
        )
    return manifest


def check(path: Path, kind: str) -> Manifest:
    """Read an artifact's manifest and verify every file against its hash.

    Raises:
        UserError: as :func:`read_manifest`, and for a file that is missing, added or changed.
    """
    manifest = read_manifest(path, kind)
    for name, expected in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise UserError(f"{path}: {kind} artifact lacks its file '{name}'; run the stage that wrote it again")
        found = sha256_of(file)
        if found != expected:
            raise UserError(
                f"{file}: sha256 is {found[:12]}…, the manifest says {expected[:12]}…; the file was changed "
                f"or damaged: run the stage that wrote it again"
            )
    return manifest


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON beside ``path`` and rename it into place."""
    beside = path.with_name(path.name + ".partial")
    beside.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
    beside.replace(path)


@contextmanager
def clear_disk_errors(path: Path) -> Generator[None]:
    """Turn a full disk, a read-only or forbidden folder into a :class:`UserError` that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT}:
            raise
        raise UserError(
            f"{path}: cannot write there: {os.strerror(error.errno)}; free some space or choose another folder; "
            "finished artifacts are intact"
        ) from error
