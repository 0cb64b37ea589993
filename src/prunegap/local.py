"""Runs a pipeline in this process, in a workspace folder: what is there and matches is not done again."""

import fcntl
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.errors import UserError, did_you_mean
from prunegap.pipeline import STAGES
from prunegap.stages.contract import Stage, StageParams, checkpoint_of
from prunegap.tracking.names import step_tags
from prunegap.tracking.session import TrackingSession

P = TypeVar("P", bound=StageParams)
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")
U = TypeVar("U")

STEPS = "steps"


class Narrator(Protocol):
    """Told what a local run does, step by step."""

    def __call__(self, step: str, outcome: str, seconds: float | None = None) -> None:
        """``outcome``: ``up to date``, ``running`` or ``done``."""
        ...


def tell_nobody(step: str, outcome: str, seconds: float | None = None) -> None:
    """Say nothing."""


@dataclass
class LocalRunner:
    """Carries out every step in this process, one after the other.

    Attributes:
        workspace: folder of the run; step ``s`` writes its artifacts into ``steps/s``.
        session: what the run is tracked with.
        redo: names of the stages that are done again although their artifacts match.
        narrate: told of every step.
    """

    workspace: Path
    session: TrackingSession
    redo: frozenset[str] = frozenset()
    narrate: Narrator = tell_nobody
    done: list[str] = field(default_factory=list[str])

    def run(self, step: str, stage: Stage[P, I, O], params: P, inputs: I, tags: Mapping[str, str]) -> O:
        """Carry out a stage, unless its outputs are there and were made from the same things.

        Raises:
            UserError: what the stage refuses; it begins with the name of the step.
        """
        try:
            return self._run(step, stage, params, inputs, tags)
        except UserError as error:
            raise UserError(f"{step}: {error}") from error

    def _run(self, step: str, stage: Stage[P, I, O], params: P, inputs: I, tags: Mapping[str, str]) -> O:
        folder = self.workspace / STEPS / step
        outputs = stage.outputs_type(**{port.name: folder / port.name for port in stage.outputs})
        if stage.name in self.redo:
            checkpoint_of(params, inputs, folder / stage.outputs[0].name).unlink(missing_ok=True)
        elif stage.is_done(params, inputs, outputs):
            self.narrate(step, "up to date")
            return outputs
        self.narrate(step, "running")
        began = time.perf_counter()
        with clear_disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with self.session.step(step, folder, params.effective(), step_tags(stage.name, tags)) as tracker:
            stage(params, inputs, outputs, tracker)
        self.done.append(step)
        self.narrate(step, "done", time.perf_counter() - began)
        return outputs

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Carry out ``body`` for one item after the other."""
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


def artifact(workspace: Path, step: str, output: str) -> Path:
    """Return where a step's output lies in a workspace."""
    return workspace / STEPS / step / output
