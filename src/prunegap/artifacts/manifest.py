"""An artifact is a directory with a ``manifest.json``: its kind, the sha256 of every file, and what made it.

A stage writes plain files into a staging folder; :func:`seal` hashes them, writes the manifest and renames
the folder into place, so that a crash leaves the old artifact or none. :func:`check` refuses by name what
has another kind or schema version, a missing file or a wrong hash.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunegap.artifacts.elsewhere import ELSEWHERE, places_of
from prunegap.artifacts.identity import Identity
from prunegap.atomic import write_atomically
from prunegap.digests import sha256_of
from prunegap.errors import UserError

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
PARTIAL = ".partial"


@dataclass(frozen=True)
class Manifest:
    """What an artifact is, what it holds and what made it.

    Attributes:
        kind: name of its kind.
        schema_version: of this file and of the kinds' own files.
        files: sha256 by path.
        identity: everything that decided the content.
        made_on: where and when it was made: what makes no result new.
    """

    kind: str
    schema_version: int
    files: Mapping[str, str]
    identity: Identity
    made_on: Mapping[str, Any]

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
    identity: Identity,
    made_on: Mapping[str, Any],
) -> Manifest:
    """Hash the files of ``staging``, write their manifest, and rename the folder to ``target``.

    Args:
        staging: folder with the finished files, on the same file system as ``target``.
        target: where the artifact appears; an older artifact there is replaced.
        kind: the artifact's kind, e.g. ``sparse_model``.
        identity: what decided its content.
        made_on: where and when it was made, as plain JSON values.

    Returns:
        The manifest as written.
    """
    unlisted = {staging / MANIFEST, staging / ELSEWHERE}
    listed = [path for path in staging.rglob("*") if path.is_file() and path not in unlisted]
    files = {path.relative_to(staging).as_posix(): sha256_of(path) for path in listed}
    files = dict(sorted((files | {name: place.sha256 for name, place in places_of(staging).items()}).items()))
    manifest = Manifest(kind, SCHEMA_VERSION, files, identity, made_on)
    write_json(staging / MANIFEST, asdict(manifest))
    _put_in_place(staging, target)
    return manifest


def staging_beside(target: Path) -> Path:
    """Make and return an empty folder beside ``target`` that no other attempt at it shares."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=PARTIAL, dir=target.parent))
    except OSError as error:
        error.filename = str(target)  # a person knows nothing of our name beside it
        raise
    staging.chmod(0o777 & ~_umask())  # mkdtemp keeps others out, and the next stage may be another user
    return staging


def remove_partial(folder: Path) -> None:
    """Remove what attempts left behind that were killed; nobody may be at work in the folder."""
    for leftover in folder.glob(f".*{PARTIAL}"):
        shutil.rmtree(leftover, ignore_errors=True)


def _put_in_place(staging: Path, target: Path) -> None:
    """Rename a folder, over an older one too; of two attempts at one target the later one stays."""
    while True:
        try:
            staging.replace(target)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            old = staging_beside(target)
            with contextlib.suppress(FileNotFoundError):  # another attempt took it away first
                target.replace(old)
            shutil.rmtree(old)
        else:
            return


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def require_replaceable(targets: Sequence[tuple[str, Path]]) -> None:
    """Check, before any work, that artifacts may appear at ``(kind, path)``: replacing deletes what is there.

    Raises:
        UserError: two at one path, or anything there but an empty folder or an artifact of the same kind.
    """
    for number, (kind, path) in enumerate(targets):
        if path.resolve() in {other.resolve() for _, other in targets[:number]}:
            raise UserError(f"{path}: given for two artifacts; name a folder for each")
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            continue
        if not (path / MANIFEST).is_file():
            raise UserError(f"{path}: is there and no artifact, a {kind} would replace it; name a new folder")
        if (found := kind_at(path)) not in {kind, ""}:
            raise UserError(f"{path}: holds a {found} artifact, a {kind} would replace it; name another folder")


def kind_at(path: Path) -> str:
    """Return the kind of the artifact in a folder; empty where there is none that can be read."""
    try:
        return str(json.loads((path / MANIFEST).read_text())["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def read_manifest(path: Path, kind: str) -> Manifest:
    """Read an artifact's manifest and check its kind and schema version, not yet its files.

    Raises:
        UserError: no artifact there, an unreadable manifest, another kind or schema version.
    """
    try:
        manifest = manifest_at(path)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no {kind} artifact there ({MANIFEST} is missing); name the folder a stage wrote"
        ) from None
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path / MANIFEST}: unreadable manifest ({error}); run the stage that wrote it again"
        ) from None
    if manifest.kind != kind:
        raise UserError(
            f"{path}: expected an artifact of kind '{kind}', found '{manifest.kind}'; name the right folder"
        )
    if manifest.schema_version != SCHEMA_VERSION:
        raise UserError(
            f"{path}: {kind} artifact has schema version {manifest.schema_version}, this program reads "
            f"{SCHEMA_VERSION}; run the stage that wrote it again"
        )
    return manifest


def manifest_at(path: Path) -> Manifest:
    """Read the manifest in a folder as it is, of whatever kind.

    Raises:
        OSError, ValueError, KeyError, TypeError: none there, or none that can be read.
    """
    raw: dict[str, Any] = json.loads((path / MANIFEST).read_text())
    if raw["schema_version"] != SCHEMA_VERSION:  # its fields may be others; kind and version can be told
        return Manifest(raw["kind"], raw["schema_version"], {}, Identity(), {})
    typed: dict[str, Any] = {"identity": Identity(**raw["identity"])}
    return Manifest(**{**raw, **typed})


def check(path: Path, kind: str) -> Manifest:
    """Read an artifact's manifest and verify every file against its hash.

    Raises:
        UserError: as :func:`read_manifest`, and for a file that is missing or changed.
    """
    manifest, places = read_manifest(path, kind), places_of(path)
    for name, expected in manifest.files.items():
        if name in places:
            places[name].require(path, expected)
            continue
        file = path / name
        if not file.is_file():
            raise UserError(f"{path}: {kind} artifact lacks its file '{name}'; {_made_again(path)}")
        found = sha256_of(file)
        if found != expected:
            raise UserError(
                f"{file}: the file was changed or damaged (sha256 is {found[:12]}…, the manifest says "
                f"{expected[:12]}…); {_made_again(path)}"
            )
    return manifest


def _made_again(path: Path) -> str:
    return f"delete {path} and run the stage that wrote it, or the whole run, again"


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON beside ``path`` and rename it into place."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    with write_atomically(path) as beside:
        beside.write_text(text)


ADVICE = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some space or choose another folder",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "change its permissions or choose another folder",
    errno.EPERM: "change its permissions or choose another folder",
    errno.ENOTDIR: "a folder is needed there; choose another",
    errno.EEXIST: "a folder is needed there; choose another",
    errno.ENAMETOOLONG: "choose shorter names",
}


@contextmanager
def clear_disk_errors(path: Path) -> Generator[None]:
    """Turn a full disk, a read-only or forbidden folder into a :class:`UserError` that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        advice = f"{ADVICE[error.errno]}; finished artifacts are intact"
        raise UserError(f"{error.filename or path}: {os.strerror(error.errno)}; {advice}") from error
