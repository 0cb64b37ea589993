"""Runs a pipeline in this process, in a workspace folder: what is there and matches is not done again."""

import fcntl
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from prunegap.artifacts.manifest import clear_disk_errors, read_manifest, remove_partial
from prunegap.errors import UserError, did_you_mean
from prunegap.pipeline import STAGES
from prunegap.pipeline.wiring import Handles
from prunegap.stages.checkpoint_place import checkpoint_path
from prunegap.stages.contract import Stage, artifacts_of
from prunegap.stages.params import StageParams
from prunegap.tracking.names import step_tags
from prunegap.tracking.session import TrackingSession

T = TypeVar("T")
U = TypeVar("U")

logger = logging.getLogger(__name__)

STEPS = "steps"
MOST_NAMED = 3


class Narrator(Protocol):
    """Told what a local run does, step by step."""

    def __call__(self, step: str, outcome: str, seconds: float | None = None) -> None:
        """``outcome``: ``up to date``, ``running``, ``done``, or ``done again, <what> changed``."""
        ...


def tell_nobody(step: str, outcome: str, seconds: float | None = None) -> None:
    """Say nothing."""


class Changes:
    """Which steps of a workspace are up to date, and what changed for those that are not."""

    def __init__(self, workspace: Path, *, keep_code: bool = False) -> None:
        self._workspace, self._keep_code = workspace, keep_code
        self._causes: dict[Path, str] = {}

    def outputs(self, step: str, stage: Stage[..., Any]) -> dict[str, Path]:
        """Return where the outputs of a step lie."""
        return {port.name: artifact(self._workspace, step, port.name) for port in stage.outputs}

    def of(self, step: str, stage: Stage[..., Any], params: StageParams, inputs: Handles) -> str | None:
        """Say what changed since a step was done, in words: empty if nothing did, None if it was not done.

        What changed is remembered, so that a later step whose input was made anew can say why it was.
        """
        outputs = self.outputs(step, stage)
        now = stage.identity(params, inputs)
        changed = stage.changes(now, outputs, keep_code=self._keep_code)
        if changed == [] and now.not_looked_at:
            logger.warning("%s: taken as unchanged, for it cannot be looked at: %s", step, ", ".join(now.not_looked_at))
        if not changed:
            return None if changed is None else ""
        causes = {name: self._causes.get(path, "") for name, _, path in artifacts_of(stage.inputs, inputs)}
        self._causes |= dict.fromkeys(outputs.values(), next(filter(None, causes.values()), "") or changed[0])
        told = [f"{name} changed" + (f" ({causes[name]})" if causes.get(name) else "") for name in changed]
        more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
        return ", ".join(told[:MOST_NAMED]) + more


@dataclass
class LocalRunner:
    """Carries out every step in this process, one after the other.

    Attributes:
        workspace: folder of the run; step ``s`` writes its artifacts into ``steps/s``.
        session: what the run is tracked with.
        redo: names of the stages that are done again although their artifacts match.
        narrate: told of every step.
        keep_code: take results that other code made.
    """

    workspace: Path
    session: TrackingSession
    redo: frozenset[str] = frozenset()
    narrate: Narrator = tell_nobody
    keep_code: bool = False
    done: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._changes = Changes(self.workspace, keep_code=self.keep_code)

    def run(
        self, step: str, stage: Stage[..., Any], params: StageParams, inputs: Handles, tags: Mapping[str, str]
    ) -> Handles:
        """Carry out a stage, unless its outputs are there and were made from the same things.

        Raises:
            UserError: what the stage refuses; it begins with the name of the step.
        """
        try:
            return self._run(step, stage, params, inputs, tags)
        except UserError as error:
            raise UserError(f"{step}: {error}") from error

    def _run(
        self, step: str, stage: Stage[..., Any], params: StageParams, inputs: Handles, tags: Mapping[str, str]
    ) -> Handles:
        outputs = self._changes.outputs(step, stage)
        folder = self.workspace / STEPS / step
        changed = self._changes.of(step, stage, params, inputs)
        if stage.name in self.redo:
            first = outputs[stage.outputs[0].name]
            checkpoint_path(stage.identity(params, inputs), first).unlink(missing_ok=True)
        elif changed == "":
            self.session.up_to_date(step, folder, params.effective(), step_tags(stage.name, tags), outputs)
            self.narrate(step, "up to date")
            params.admit(outputs)
            return outputs
        self.narrate(step, "running")
        began = time.perf_counter()
        with clear_disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            remove_partial(folder)
        with self.session.step(step, folder, params.effective(), step_tags(stage.name, tags), outputs) as tracker:
            stage.run(params, inputs, outputs, tracker)
        self.done.append(step)
        self.narrate(step, f"done again, {changed}" if changed else "done", time.perf_counter() - began)
        params.admit(outputs)
        return outputs

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Carry out ``body`` for one item after the other."""
        return [body(item) for item in items]


@dataclass
class Inspector:
    """Goes through the steps of a finished run without carrying any out.

    Attributes:
        workspace: folder of the run.
        stale: what changed since a step was done, by step; empty text where it was not done.
        made_on: where the steps' results were made, by step.
    """

    workspace: Path
    stale: dict[str, str] = field(default_factory=dict[str, str])
    made_on: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def __post_init__(self) -> None:
        self._changes = Changes(self.workspace)

    def run(
        self, step: str, stage: Stage[..., Any], params: StageParams, inputs: Handles, tags: Mapping[str, str]
    ) -> Handles:
        """Note whether a step is up to date; what cannot be read counts as not done."""
        del tags
        outputs = self._changes.outputs(step, stage)
        try:
            changed = self._changes.of(step, stage, params, inputs)
            self.made_on[step] = read_manifest(outputs[stage.outputs[0].name], stage.outputs[0].kind).made_on
        except UserError:
            changed = None
        if changed != "":
            self.stale[step] = changed or ""
        return outputs

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Go through ``body`` for one item after the other."""
        return [body(item) for item in items]


def stages_from(name: str | None) -> frozenset[str]:
    """Return the names of the stages from ``name`` on, in the order of the pipeline; none for None.

    Raises:
        UserError: no such stage.
    """
    names = [stage.name for stage in STAGES]
    if name is None:
        return frozenset()
    if name not in names:
        raise UserError(f"--from {name}: no such stage{did_you_mean(name, names)}")
    return frozenset(names[names.index(name) :])


@contextmanager
def locked(workspace: Path) -> Generator[None]:
    """Create the workspace and keep every other run out of it.

    Raises:
        UserError: another run is at work there, or the folder cannot be written.
    """
    if workspace.exists() and not workspace.is_dir():
        raise UserError(f"{workspace}: the workspace must be a folder, this is a file; choose another --workspace")
    with clear_disk_errors(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
        with (workspace / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"{workspace}: another run is at work there; wait for it or choose another --workspace"
                ) from None
            yield


def at_work(workspace: Path) -> bool:
    """Whether a run may be at work in a workspace: it holds the lock, or there is none, as where containers work."""
    try:
        with (workspace / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def artifact(workspace: Path, step: str, output: str) -> Path:
    """Return where a step's output lies in a workspace."""
    return workspace / STEPS / step / output
