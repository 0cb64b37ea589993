"""Sending what an address lacks of a workspace's steps: each is compared with its run, and told of if it must be."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, NoReturn

from prunegap import artifacts
from prunegap.artifacts.kind import KINDS, Artifact
from prunegap.artifacts.manifest import check, manifest_at
from prunegap.errors import UserError
from prunegap.tracking.mlflow_runs import STEP_TAG, TOLD_TAG
from prunegap.tracking.pipeline_run import PipelineRun
from prunegap.tracking.protocol import Tracker
from prunegap.tracking.tracked_step import (
    FINISHED,
    KILLED,
    RUNNING,
    Step,
    as_sealed,
    outputs_of,
    read_steps,
    sealed_in,
    told_digest,
)
from prunegap.tracking.tracker import LiveTracker

if TYPE_CHECKING:
    from mlflow.entities import Run


def send_missing(workspace: Path, status: str, run: PipelineRun, warn: Callable[[str], None]) -> Iterator[str]:
    """Send what the pipeline run lacks, and yield the name of every step of which something was lacking.

    Args:
        workspace: folder of the pipeline run.
        status: of the pipeline run.
        run: the pipeline run at an address.
        warn: receives one line for each artifact that cannot be told of.

    Raises:
        Exception: whatever MLflow raises when it is down; what was sent before stays sent.
    """
    there: dict[str, Run] = {}
    for found in run.steps():
        there.setdefault(found.data.tags[STEP_TAG], found)

    @cache
    def made() -> dict[str, Path]:
        return {manifest.digest: path for path, manifest in sealed_in(workspace, "**/")}

    # What was trained before what was measured of it: the numbers belong to the model.
    for folder, written in sorted(read_steps(workspace), key=lambda one: one[1].began):
        step = _as_left(as_sealed(written, folder), status)
        if send_step(folder, step, run, there.get(step.name), made=made, warn=warn):
            yield step.name


def send_step(
    folder: Path,
    step: Step,
    run: PipelineRun,
    found: "Run | None",
    *,
    made: Callable[[], Mapping[str, Path]],
    warn: Callable[[str], None],
) -> bool:
    """Send what a step's run lacks, and return whether it lacked anything.

    Args:
        folder: of the step.
        step: as it stands.
        run: the pipeline run at an address.
        found: the step's run there; None if there is none.
        made: returns the folders of artifacts by digest, among them those that the step read.
        warn: receives one line for each artifact that cannot be told of.

    Raises:
        Exception: whatever MLflow raises when it is down; what was sent before stays sent.
    """
    told = told_digest(step, folder)
    if found and (found.info.status, found.data.tags.get(TOLD_TAG)) == (step.status, told):
        return False
    tracker = LiveTracker(partial(run.open_step, step), _raise, clock=partial(int, step.ended or step.began))
    tracker.begin()
    if step.status == FINISHED:
        retell(step, folder, made(), tracker, warn)
    tracker.end(step, told)
    return True


def _as_left(step: Step, status: str) -> Step:
    """Return a step as it stands: one that nobody ended was killed, or was found done by the run that finished."""
    if step.status != RUNNING or status == RUNNING:
        return step
    return replace(step, status=FINISHED if status == FINISHED and not step.outputs else KILLED)


def retell(step: Step, folder: Path, made: Mapping[str, Path], tracker: Tracker, warn: Callable[[str], None]) -> None:
    """Tell a tracker of every artifact that a step sealed; what is damaged is named and passed over.

    Args:
        step: the step.
        folder: of the step.
        made: folders of artifacts by digest, among them those that the step read.
        tracker: to tell.
        warn: receives one line for each artifact that cannot be told of.
    """
    for output, path, manifest in outputs_of(step, folder):
        read = {name: made[digest] for name, digest in manifest.identity.inputs.items() if digest in made}
        for name, of in read.items():
            if manifest_at(of).kind == "dataset":
                tracker.log_input(name, of)
        try:
            check(path, manifest.kind)
            tracker.log_output(output, kind_named(manifest.kind).load(path), path, read)
        except UserError as refusal:
            warn(f"not sent: {refusal}")


def kind_named(name: str) -> type[Artifact]:
    """Return a kind of artifact; the modules that define ours are imported if need be.

    Raises:
        UserError: there is none of that name.
    """
    if name not in KINDS:
        for module in iter_modules(artifacts.__path__, f"{artifacts.__name__}."):
            import_module(module.name)
    if name not in KINDS:
        raise UserError(f"kind '{name}' is not known here; install the package that defines it")
    return KINDS[name]


def _raise(error: Exception) -> NoReturn:
    raise error
