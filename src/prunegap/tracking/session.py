"""Tracking a pipeline run from one process, and sending later what could not be sent then."""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from prunegap.errors import UserError
from prunegap.tracking.addresses import DATABASE, default_uri, without_password, workspace_uri
from prunegap.tracking.environment import pipeline_run_id
from prunegap.tracking.links import run_page
from prunegap.tracking.mlflow_client import check_server
from prunegap.tracking.mlflow_runs import MlflowStepRun
from prunegap.tracking.opened_run import open_workspace_run
from prunegap.tracking.pipeline_run import PipelineRun
from prunegap.tracking.protocol import Tracker
from prunegap.tracking.reasons import failure_line, reason
from prunegap.tracking.tracked_step import (
    FINISHED,
    KILLED,
    NOWHERE,
    RUNNING,
    Step,
    as_sealed,
    note_done,
    read_steps,
    status_of,
)
from prunegap.tracking.tracker import LiveTracker, print_warning, tracked
from prunegap.tracking.upload import send_missing
from prunegap.tracking.workspace_run import FILE as TRACKING_FILE
from prunegap.tracking.workspace_run import (
    WorkspaceRun,
    begin_workspace_run,
    containers_run,
    new_workspace_run,
    read_workspace_run,
    write_workspace_run,
)


class TrackingSession:
    """One pipeline run of a workspace: its parent run while it is open, a nested run a step.

    Opening it again in the same workspace goes on in the same runs. Once the server fails, one warning says so and
    the steps go on; what it missed is sent when it answers at the end of a step or of the session, else by
    :func:`upload`. At the end of a session its address has all of the workspace, whatever was missed, and when.

    Args:
        workspace: folder of the pipeline run.
        uri: tracking address; None takes ``MLFLOW_TRACKING_URI``, else a sqlite file in the workspace.
        experiment: name of the MLflow experiment.
        pipeline_run_name: name of the parent run.
        tags: tags of the parent and of every step.
        enabled: False tracks nothing; what each step was is still noted in its folder, for an upload.
        warn: receives the one line of a failure.
    """

    def __init__(
        self,
        workspace: Path,
        uri: str | None,
        experiment: str,
        pipeline_run_name: str,
        tags: Mapping[str, str],
        *,
        enabled: bool = True,
        warn: Callable[[str], None] = print_warning,
    ) -> None:
        self.uri = uri or default_uri(workspace)
        self._workspace, self._experiment, self._name = workspace, experiment, pipeline_run_name
        self._tags, self._enabled, self._warn = dict(tags), enabled, warn
        self._run: PipelineRun | None = None
        self._down = False

    def __enter__(self) -> Self:
        """Open the parent run.

        Raises:
            UserError: the address is broken, or its server does not take the run.
        """
        if self._enabled:
            check_server(self.uri)
            run = begin_workspace_run(self._workspace, self._experiment, self._name, self._tags)
            self._run = open_workspace_run(self._workspace, self.uri, run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the parent run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
        run = read_workspace_run(self._workspace) if self._enabled else None
        if run is None or self._run is None:
            return
        run = replace(run, status=status_of(error))
        write_workspace_run(self._workspace, run)
        try:
            if self._down:
                check_server(self.uri)
            for _ in send_missing(self._workspace, run.status, self._run, self._warn):
                pass
            self._run.end(run.status)
        except Exception as failure:
            self._fail(failure)
            return
        if self._down:
            self._warn(f"tracking at {without_password(self.uri)} answers again and was sent what it had missed")

    @property
    def page(self) -> str:
        """The run's page in a server's MLflow, or how to get one; empty where nothing is tracked."""
        if self._run is None or self._run.parent is None:
            return ""
        if self.uri.startswith("http"):
            return run_page(self.uri, self._run.experiment_id, self._run.parent)
        return f"prunegap ui {self._workspace}"

    @contextmanager
    def step(
        self,
        name: str,
        folder: Path,
        parameters: Mapping[str, object],
        tags: Mapping[str, str],
        outputs: Mapping[str, Path] = NOWHERE,
    ) -> Generator[Tracker]:
        """Track one step; how it ended is written to its folder too, and that alone if nothing is tracked.

        Args:
            name: name of the step, unique in the pipeline run, e.g. ``finetune/seed=0/sparsity=0.9/ceag``.
            folder: the step's folder.
            parameters: parameters of the stage, possibly nested.
            tags: the step's own tags, e.g. ``prunegap.seed``.
            outputs: where it seals what it makes, by name.
        """
        run, step = self._run, Step.beginning(name, folder, parameters, {**self._tags, **tags}, outputs)

        def open_run(run: PipelineRun) -> MlflowStepRun:
            if self._down:
                check_server(self.uri)  # a server that is gone is told by one short question
            return run.open_step(step)

        tracker = LiveTracker(partial(open_run, run), self._fail, live=not self._down) if run else None
        with tracked(tracker, step, folder, self._warn) as told:
            yield told

    def up_to_date(
        self,
        name: str,
        folder: Path,
        parameters: Mapping[str, object],
        tags: Mapping[str, str],
        outputs: Mapping[str, Path],
    ) -> None:
        """Note a step that was found done, by arguments as for :meth:`step`; the end sends what is missing of it."""
        note_done(folder, Step.beginning(name, folder, parameters, {**self._tags, **tags}, outputs), self._warn)

    def _fail(self, error: Exception) -> None:
        if not self._down:
            self._warn(failure_line(error, self.uri, str(self._workspace)))
        self._down = True


def upload_uri(workspace: Path, uri: str | None) -> str:
    """Return where :func:`upload` sends: ``uri``, ``MLFLOW_TRACKING_URI``, or the run's last address."""
    run = read_workspace_run(workspace)
    last = run.uri if run and not _was_own(run.uri) else ""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or last or workspace_uri(workspace)


def _was_own(uri: str) -> bool:
    """Whether this is how an earlier version noted a workspace's own file, where that lay then."""
    path = Path(uri.removeprefix("sqlite:///"))
    return path.name == DATABASE and (not path.exists() or (path.parent / TRACKING_FILE).exists())


def upload(
    workspace: Path,
    uri: str | None,
    warn: Callable[[str], None] = print_warning,
    *,
    experiment: str = "",
    complete: bool | None = None,
) -> int:
    """Send what the address lacks of the workspace's pipeline run.

    A finished step is told of from its sealed artifacts, every number, model and file; of one that failed or was
    stopped, its parameters, tags and status are kept. Lost is what only a live server can be told: the metrics of a
    step that failed while the server was down (they come once the step is done), and files that are no artifact.

    The parent run of containers stays open until ``close-run``.

    Args:
        workspace: folder with steps, whoever carried them out and whether they were tracked or not.
        uri: where to; None for :func:`upload_uri`.
        warn: receives one line for each artifact that cannot be told of.
        experiment: name of the MLflow experiment of a run that was never tracked; empty: the run's own name.
        complete: whether the run came to its end; None if somebody may still be at work there.

    Returns:
        Number of steps of which something was lacking.

    Raises:
        UserError: no step there, or the server does not take it; what it took stays sent.
    """
    address = upload_uri(workspace, uri)
    run = read_workspace_run(workspace) or _untracked_run(workspace, experiment)
    if run.status == RUNNING and complete is not None:
        run = replace(run, status=FINISHED if complete and _all_finished(workspace) else KILLED)
    check_server(address)
    pipeline_run = open_workspace_run(workspace, address, run)
    sent = 0
    try:
        for _ in send_missing(workspace, run.status, pipeline_run, warn):
            sent += 1
        pipeline_run.end(run.status)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"tracking at {without_password(address)} failed after {sent} steps ({reason(error)}); run the same "
            "command again to send the rest"
        ) from error
    return sent


def _all_finished(workspace: Path) -> bool:
    return all(as_sealed(step, folder).status == FINISHED for folder, step in read_steps(workspace))


def _untracked_run(workspace: Path, experiment: str) -> WorkspaceRun:
    """Return the run of a workspace that was never tracked, or by containers whose environment says what it is."""
    if next(read_steps(workspace), None) is None:
        raise UserError(f"{workspace}: no step of a run there; name the workspace of a run")
    if run := pipeline_run_id():
        return containers_run(run)
    name = workspace.resolve().name
    return new_workspace_run(name, experiment or name, FINISHED if _all_finished(workspace) else KILLED)
