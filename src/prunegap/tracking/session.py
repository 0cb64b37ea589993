"""Tracking a pipeline run from one process, and sending later what could not be sent then."""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from prunegap.errors import UserError
from prunegap.tracking.addresses import default_uri, without_password, workspace_uri
from prunegap.tracking.delivery import Delivery, print_warning, unsent
from prunegap.tracking.mlflow_client import check_server
from prunegap.tracking.mlflow_sink import PIPELINE_RUN_TAG, MlflowSink
from prunegap.tracking.pipeline_run import (
    PipelineRun,
    artifact_root_of,
    begin_pipeline_run,
    open_pipeline_run,
    read_pipeline_run,
    write_pipeline_run,
)
from prunegap.tracking.protocol import NullTracker, Tracker
from prunegap.tracking.reasons import failure_line, reason
from prunegap.tracking.spool import SPOOL, SpooledTracker


class TrackingSession:
    """One pipeline run of a workspace: its parent run while it is open, a nested run a step.

    Opening it again in the same workspace goes on in the same runs. Once the server fails, one warning says
    so, the steps go on writing their spools, and nothing more is sent until :func:`upload`.

    Args:
        workspace: folder of the pipeline run.
        uri: tracking address; None takes ``MLFLOW_TRACKING_URI``, else a sqlite file in the workspace.
        experiment: name of the MLflow experiment.
        pipeline_run_name: name of the parent run.
        tags: tags of the parent and of every step.
        enabled: False tracks nothing and writes nothing.
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
        self._sink: MlflowSink | None = None

    def __enter__(self) -> Self:
        """Open the parent run.

        Raises:
            UserError: the address is broken, or its server does not take the run.
        """
        if self._enabled:
            check_server(self.uri)
            run = begin_pipeline_run(self._workspace, self._experiment, self._name, self._tags)
            self._sink = _open(self._workspace, self.uri, run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the parent run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
        if not self._enabled:
            return
        status = status_of(error)
        run = read_pipeline_run(self._workspace)
        if run is not None:
            write_pipeline_run(self._workspace, replace(run, status=status))
        if self._sink is not None:
            try:
                self._sink.end_pipeline(status)
            except Exception as failure:
                self._fail(failure)

    @contextmanager
    def step(
        self, name: str, folder: Path, parameters: Mapping[str, object], tags: Mapping[str, str]
    ) -> Generator[Tracker]:
        """Track one step; its spool is ``<folder>/tracking.jsonl``.

        Args:
            name: name of the step, unique in the pipeline run, e.g. ``finetune/seed=0/sparsity=0.9/ceag``.
            folder: the step's folder.
            parameters: parameters of the stage, possibly nested.
            tags: the step's own tags, e.g. ``prunegap.seed``.
        """
        if not self._enabled:
            yield NullTracker()
            return
        tracker = SpooledTracker(folder / SPOOL, self._sink, self._fail, self._warn)
        with tracked(tracker, name, parameters, {**self._tags, **tags}):
            yield tracker

    def _fail(self, error: Exception) -> None:
        if self._sink is not None:
            self._sink = None
            self._warn(failure_line(error, self.uri, str(self._workspace)))


@contextmanager
def tracked(
    tracker: SpooledTracker, name: str, parameters: Mapping[str, object], tags: Mapping[str, str]
) -> Generator[None]:
    """Begin a step on entry, and end it by how the block is left."""
    tracker.begin(name, parameters, tags)
    try:
        yield
    except BaseException as error:
        tracker.end(status_of(error))
        raise
    tracker.end("FINISHED")


def status_of(error: BaseException | None) -> str:
    """Return MLflow's status for how a block was left; an interrupt or a signal is ``KILLED``."""
    if error is None:
        return "FINISHED"
    return "FAILED" if isinstance(error, Exception) else "KILLED"


def upload_uri(workspace: Path, uri: str | None) -> str:
    """Return where :func:`upload` sends: ``uri``, ``MLFLOW_TRACKING_URI``, or the run's last address."""
    run = read_pipeline_run(workspace)
    last = run.uri if run else ""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or last or workspace_uri(workspace)


def upload(workspace: Path, uri: str | None, warn: Callable[[str], None] = print_warning) -> int:
    """Send what the address has not received of the workspace's pipeline run.

    Returns:
        Number of steps that had something to send.

    Raises:
        UserError: nothing was tracked there, or the server does not take it; what it took stays sent.
    """
    address = upload_uri(workspace, uri)
    run = read_pipeline_run(workspace)
    if run is None:
        raise UserError(f"{workspace}: no tracked run there; name the workspace of a `prunegap run`")
    spools = [spool for spool in sorted(workspace.rglob(SPOOL)) if unsent(spool, address)]
    check_server(address)
    sink = _open(workspace, address, run)
    for done, spool in enumerate(spools):
        try:
            Delivery(spool, sink, warn).flush()
        except Exception as error:
            raise UserError(
                f"tracking at {without_password(address)} failed after {done} of {len(spools)} steps "
                f"({reason(error)}); run the same command again to send the rest"
            ) from error
    if run.status != "RUNNING":
        sink.end_pipeline(run.status)
    return len(spools)


def _open(workspace: Path, uri: str, run: PipelineRun) -> MlflowSink:
    shown = without_password(uri)
    try:
        sink = open_pipeline_run(
            uri,
            run.experiment,
            run.name,
            {**run.tags, PIPELINE_RUN_TAG: run.id},
            run_id=run.runs.get(shown),
            artifact_root=artifact_root_of(workspace, uri),
        )
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"tracking at {shown} does not take the run ({reason(error)}); check the address, or leave out "
            "--tracking-uri and MLFLOW_TRACKING_URI to track in the workspace"
        ) from error
    runs = {**run.runs, shown: sink.parent or ""}
    write_pipeline_run(workspace, replace(run, uri=shown, runs=runs))
    return sink
