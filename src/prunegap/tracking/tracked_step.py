"""One step of a pipeline run as a tracker knows it, and the small file beside its artifacts that says how it ended.

Numbers, models and files of a step lie in its sealed artifacts. Only what these cannot tell is kept here: that there
was a step, how it was called, and that it failed or was stopped, so that a later upload can say so. The artifacts go
first: a step whose outputs are all sealed is finished, whatever became of its process after that.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Self

from prunegap.artifacts.manifest import MANIFEST, Manifest, manifest_at, write_json
from prunegap.tracking.names import flatten, slug

FILE = "tracked-step.json"
NOWHERE: Mapping[str, Path] = MappingProxyType({})
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
        outputs: where it seals what it makes, relative to the step's folder, by name; none where that is not known.
    """

    name: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    status: str = RUNNING
    began: int = field(default_factory=now)
    ended: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def beginning(
        cls,
        name: str,
        folder: Path,
        parameters: Mapping[str, object],
        tags: Mapping[str, str],
        outputs: Mapping[str, Path],
    ) -> Self:
        """Return a step that begins now.

        Args:
            name: of the step.
            folder: of the step.
            parameters: of its stage, possibly nested.
            tags: its own.
            outputs: where it seals what it makes, by name.
        """
        places = {name: os.path.relpath(path, folder) for name, path in outputs.items()}
        return cls(name, flatten(parameters), dict(tags), outputs=places)

    def over(self, status: str) -> Self:
        """Return the step as it is once it is over."""
        return replace(self, status=status, ended=now())


def status_of(error: BaseException | None) -> str:
    """Return the status for how a block was left; an interrupt or a signal is ``KILLED``."""
    if error is None:
        return FINISHED
    return FAILED if isinstance(error, Exception) else KILLED


def write_step(folder: Path, step: Step) -> None:
    """Write a step's file into its folder; of several steps in one folder each has its own.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    if (other := _read(path)) and other.name != step.name:
        path = folder / f"{path.stem}-{slug(step.name).replace('/', '_')}.json"
    write_json(path, asdict(step))


def read_steps(workspace: Path) -> Iterator[tuple[Path, Step]]:
    """Yield the folder of every step below a workspace, and the step; an unreadable file is passed over."""
    for path in sorted(workspace.rglob(f"{Path(FILE).stem}*.json")):
        if step := _read(path):
            yield path.parent, step


def _read(path: Path) -> Step | None:
    try:
        return Step(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def as_sealed(step: Step, folder: Path) -> Step:
    """Return a step as its artifacts tell it: finished if it sealed all its outputs after it had begun."""
    if step.status == FINISHED or not step.outputs:
        return step
    sealed = [manifest for _, _, manifest in outputs_of(step, folder)]
    times = [made_between(manifest) for manifest in sealed]
    if len(sealed) < len(step.outputs) or any(began < step.began for began, _ in times):
        return step
    return replace(step, status=FINISHED, ended=max(ended for _, ended in times))


def note(folder: Path, step: Step, warn: Callable[[str], None]) -> None:
    """Write a step's file; that it cannot be written costs a warning, not the step."""
    try:
        write_step(folder, step)
    except OSError as error:
        warn(f"{folder}: cannot be written ({error.strerror}); an upload will not know of this step")


def note_done(folder: Path, step: Step, warn: Callable[[str], None]) -> Step:
    """Return a step that was found done, and have its file say so: who did it may not have come to that."""
    same = (one for where, one in read_steps(folder) if where == folder and one.name == step.name)
    written = next(same, None)
    known = written and as_sealed(written, folder)
    if known and (known.status, known.parameters) == (FINISHED, step.parameters):
        began, ended = known.began, known.ended
    else:
        times = [made_between(manifest) for _, _, manifest in outputs_of(step, folder)]
        began, ended = min(began for began, _ in times), max(ended for _, ended in times)
    done = replace(step, status=FINISHED, began=began, ended=ended)
    if done != written:
        note(folder, done, warn)
    return done


def made_between(manifest: Manifest) -> tuple[int, int]:
    """Return when an artifact was begun and done, in milliseconds since 1970; zeros if it does not say."""
    try:
        began = datetime.fromisoformat(str(manifest.made_on["began"])).timestamp()
        return round(began * 1000), round((began + float(manifest.made_on["seconds"])) * 1000)
    except (KeyError, ValueError, TypeError):
        return 0, 0


def outputs_of(step: Step, folder: Path) -> Iterator[tuple[str, Path, Manifest]]:
    """Yield (name, folder, manifest) of every sealed output: of a step that names none, of all in its folder."""
    if not step.outputs:
        yield from ((path.name, path, manifest) for path, manifest in sealed_in(folder))
    for name, place in sorted(step.outputs.items()):
        try:
            yield name, folder / place, manifest_at(folder / place)
        except (OSError, ValueError, TypeError, KeyError):
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
    sealed = {name: manifest.digest for name, _, manifest in outputs_of(step, folder)}
    told = [asdict(step), sealed if step.status == FINISHED else {}]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
