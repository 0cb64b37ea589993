"""One step of a pipeline run as a tracker knows it, and the small file beside its artifacts that says how it ended.

Numbers, models and files of a step lie in its sealed artifacts. Only what these cannot tell is kept here: that there
was a step, how it was called, and that it failed or was stopped, so that a later upload can say so.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from prunegap.artifacts.manifest import MANIFEST, Manifest, manifest_at, write_json

FILE = "tracked-step.json"
RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"


def now() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Step:
    """A step; parameters are flat and printed.

    Attributes:
        name: unique in its pipeline run.
        parameters: value by name.
        tags: its own, e.g. ``prunegap.seed``.
        status: as MLflow calls it.
        began: in milliseconds since 1970.
        ended: likewise; None while it runs.
    """

    name: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    status: str = RUNNING
    began: int = field(default_factory=now)
    ended: int | None = None

    def over(self, status: str) -> Self:
        """Return the step as it is once it is over."""
        return replace(self, status=status, ended=now())


def status_of(error: BaseException | None) -> str:
    """Return the status for how a block was left; an interrupt or a signal is ``KILLED``."""
    if error is None:
        return FINISHED
    return FAILED if isinstance(error, Exception) else KILLED


def write_step(folder: Path, step: Step) -> None:
    """Write a step's file into its folder.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, asdict(step))


def read_steps(workspace: Path) -> Iterator[tuple[Path, Step]]:
    """Yield the folder of every tracked step below a workspace, and the step; an unreadable file is passed over."""
    for path in sorted(workspace.rglob(FILE)):
        try:
            yield path.parent, Step(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            continue


def sealed_in(folder: Path, above: str = "") -> Iterator[tuple[Path, Manifest]]:
    """Yield every sealed artifact in a step's folder (``above="**/"``: below it) with its manifest, in order."""
    for path in sorted(folder.glob(f"{above}[!.]*/{MANIFEST}")):
        try:
            yield path.parent, manifest_at(path.parent)
        except (OSError, ValueError, TypeError, KeyError):
            continue


def told_digest(step: Step, folder: Path) -> str:
    """Return one digest of all that there is to tell of a step: how it is, and what it sealed if it is finished."""
    sealed = {path.name: manifest.digest for path, manifest in sealed_in(folder)} if step.status == FINISHED else {}
    return hashlib.sha256(json.dumps([asdict(step), sealed]).encode()).hexdigest()
