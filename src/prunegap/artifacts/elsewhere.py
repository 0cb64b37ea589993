"""Large files of an artifact that lie outside it, in one folder that every step sees: on a cluster, on a claim.

There an artifact passes whole through the object store into every step. Where ``PRUNEGAP_PACKED_DIR`` names a folder,
the files that can be large lie in it instead, named by their sha256, and ``elsewhere.json`` in the artifact says where.
The manifest lists them like all others, so that where they lie changes no digest and no result.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from prunegap.artifacts.kind import Artifact
from prunegap.digests import sha256_of
from prunegap.errors import UserError

PACKED_DIR = "PRUNEGAP_PACKED_DIR"
VERIFY_PACKED = "PRUNEGAP_VERIFY_PACKED"
ELSEWHERE = "elsewhere.json"
AGAIN = "pack them again: do prepare_data again (submit --no-cache; prunegap run --from prepare_data)"


@dataclass(frozen=True)
class Place:
    """Where a file lies, and what tells without reading it that nobody wrote to it since.

    Attributes:
        path: as the step that wrote it saw it.
        sha256: of its content.
        size: in bytes.
        modified_ns: when its content was last written.
        changed_ns: when anything about it was, which unlike the other time nobody can set.
    """

    path: str
    sha256: str
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, file: Path, sha256: str) -> Self:
        """Return the place of a file as it lies there now."""
        seen = file.stat()
        return cls(str(file), sha256, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)

    @property
    def file(self) -> Path:
        """The file: where it was written, or where this step has the folder."""
        written, folder = Path(self.path), os.environ.get(PACKED_DIR)
        return Path(folder) / written.name if folder and not written.is_file() else written

    def require(self, artifact: Path, sha256: str) -> None:
        """Check that the file is what was written: by size and times, and where these differ by its content.

        Where ``PRUNEGAP_VERIFY_PACKED`` is set, by its content always.

        Raises:
            UserError: it is not there, or changed.
        """
        file = self.file
        if not file.is_file():
            raise UserError(
                f"{file}: the packed data of {artifact} are not there; mount the volume they lie on, or {AGAIN}"
            )
        now = Place.of(file, self.sha256)
        untouched = (now.size, now.modified_ns, now.changed_ns) == (self.size, self.modified_ns, self.changed_ns)
        if untouched and self.sha256 == sha256 and not os.environ.get(VERIFY_PACKED):
            return
        found = sha256_of(file)
        if found != sha256:
            raise UserError(
                f"{file}: the packed data of {artifact} were changed or damaged (sha256 is {found[:12]}…, the manifest "
                f"says {sha256[:12]}…); {AGAIN}"
            )


def save_artifact(artifact: Artifact, folder: Path) -> None:
    """Save an artifact into a folder; what of it can be large where ``PRUNEGAP_PACKED_DIR`` says, if anywhere."""
    packed = os.environ.get(PACKED_DIR)
    if not (packed and artifact.bulk):
        artifact.save(folder)
        return
    Path(packed).mkdir(parents=True, exist_ok=True)
    # Made there, not moved there: this step's own disk need not hold them.
    packing = Path(tempfile.mkdtemp(prefix=".packing.", suffix=".partial", dir=packed))
    try:
        artifact.save(packing)
        places = {file.name: asdict(_settled(file, Path(packed))) for file in sorted(packing.glob(artifact.bulk))}
        for rest in packing.iterdir():
            shutil.move(rest, folder / rest.name)
        (folder / ELSEWHERE).write_text(json.dumps(places, indent=1) + "\n", encoding="utf-8")
    finally:
        shutil.rmtree(packing, ignore_errors=True)


def _settled(file: Path, folder: Path) -> Place:
    """Give a file the name of its content; what is there already stays, unless it is damaged."""
    digest = sha256_of(file)
    target = (folder / f"{digest}{file.suffix}").absolute()
    if not (target.is_file() and sha256_of(target) == digest):
        file.replace(target)
    return Place.of(target, digest)


def places_of(folder: Path) -> Mapping[str, Place]:
    """Return where files of an artifact lie outside it, by name.

    Raises:
        UserError: its note of that cannot be read.
    """
    note = folder / ELSEWHERE
    if not note.is_file():
        return {}
    try:
        raw: dict[str, dict[str, Any]] = json.loads(note.read_text(encoding="utf-8"))
        return {name: Place(**fields) for name, fields in raw.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{note}: cannot be read ({error}); {AGAIN}") from None


def file_of(folder: Path, name: str) -> Path:
    """Return where a file of an artifact lies."""
    places = places_of(folder)
    return places[name].file if name in places else folder / name
