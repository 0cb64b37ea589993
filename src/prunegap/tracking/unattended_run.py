"""A pipeline run whose steps run in containers: opened before the first of them, closed after the last."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.tracking.addresses import without_password
from prunegap.tracking.environment import (
    KUBEFLOW_RUN_VARIABLE,
    PIPELINE_RUN_VARIABLE,
    experiment_name,
    pipeline_run_id,
    pipeline_run_name,
)
from prunegap.tracking.final_status import by_last_stage
from prunegap.tracking.links import PAGES_VARIABLE, run_page
from prunegap.tracking.mlflow_client import check_server, connect
from prunegap.tracking.mlflow_runs import MAX_VALUE, PARENT_TAG, PIPELINE_RUN_TAG
from prunegap.tracking.pipeline_run import (
    PipelineRun,
    find_experiment,
    find_parent,
    known_experiment,
    kubeflow_tags,
    open_parent,
)
from prunegap.tracking.reasons import reason
from prunegap.tracking.tracked_step import FAILED, FINISHED, KILLED, RUNNING
from prunegap.tracking.tracker import print_warning
from prunegap.tracking.upload import send_missing
from prunegap.tracking.workspace_run import containers_run, read_workspace_run, write_workspace_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ERROR_TAG = "prunegap.error"


def open_pipeline_run(workspace: Path | None = None) -> str:
    """Create the parent run that the environment names, so that no two steps have to agree on who does.

    Args:
        workspace: folder of the run's steps, where it is noted which run they are of; None where there is none.

    Returns:
        One line that says what was done, or why nothing was: tracking never fails a run.
    """
    _note(workspace, RUNNING)
    return _by_environment("open", "is not opened", _open)


def close_pipeline_run(status: str, error: str = "", workspace: Path | None = None) -> str:
    """Close the parent run that the environment names, and the nested runs that dead containers left open.

    Args:
        status: ``FINISHED``, ``FAILED`` or ``KILLED``; empty: FINISHED if compare is done, else FAILED.
        error: why it failed; kept as a tag of the parent.
        workspace: folder of the run's steps: what MLflow lacks of them is sent first; None where there is none.

    Returns:
        One line that says what was done, or why nothing was: tracking never fails a run.
    """
    _note(workspace, status or RUNNING)

    def close(client: "MlflowClient", pipeline_run: str) -> str:
        sent = _complete(client, pipeline_run, status or RUNNING, workspace) if workspace else 0
        return _close(client, pipeline_run, status, error) + (
            f"; steps of which MLflow lacked something: {sent}" if sent else ""
        )

    return _by_environment("close", "is left open", close)


def _note(workspace: Path | None, status: str) -> None:
    """Note which run the steps of a workspace are of, so that an upload needs no environment to know it."""
    pipeline_run = pipeline_run_id()
    if workspace is None or not pipeline_run:
        return
    known = read_workspace_run(workspace)
    run = containers_run(pipeline_run, status)
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        write_workspace_run(workspace, replace(run, uri=known.uri if known and known.id == run.id else ""))
    except OSError as error:
        print_warning(f"{workspace}: cannot be written ({error.strerror}); an upload will not know which run it is")


def _complete(client: "MlflowClient", pipeline_run: str, status: str, workspace: Path) -> int:
    """Send what MLflow lacks of the steps in a workspace, and return of how many it lacked anything."""
    experiment_id = find_experiment(client, experiment_name())
    tags = {PIPELINE_RUN_TAG: pipeline_run, **kubeflow_tags()}
    parent = find_parent(client, experiment_id, pipeline_run)
    run = PipelineRun(client, experiment_id, tags, parent.info.run_id if parent else None)
    return sum(1 for _ in send_missing(workspace, status, run, print_warning))


def _by_environment(verb: str, left: str, act: "Callable[[MlflowClient, str], str]") -> str:
    uri, pipeline_run = os.environ.get("MLFLOW_TRACKING_URI"), pipeline_run_id()
    if not uri:
        return f"nothing to {verb}: the run is not tracked (MLFLOW_TRACKING_URI is not set)"
    if os.environ.get("MLFLOW_RUN_ID"):
        return f"nothing to {verb}: Kubeflow made the MLflow run (MLFLOW_RUN_ID is set) and opens and closes it itself"
    if not pipeline_run:
        return f"nothing to {verb}: neither {PIPELINE_RUN_VARIABLE} nor {KUBEFLOW_RUN_VARIABLE} says which run"
    try:
        check_server(uri)
        return act(connect(uri), pipeline_run)
    except UserError as refusal:
        return f"warning: MLflow's run of '{pipeline_run}' {left}: {refusal}"
    except Exception as failure:
        return (
            f"warning: MLflow's run of '{pipeline_run}' {left}: {without_password(uri)} failed "
            f"({reason(failure)}); look at the server's log, then {verb} the run with the same command"
        )


def _open(client: "MlflowClient", pipeline_run: str) -> str:
    experiment_id = find_experiment(client, experiment_name())
    steps = _steps(client, experiment_id, pipeline_run)
    _adopt(client, _make_parent(client, experiment_id, pipeline_run, steps), steps)
    return f"MLflow's run of '{pipeline_run}' is {RUNNING}"


def _close(client: "MlflowClient", pipeline_run: str, status: str, error: str) -> str:
    experiment_id = known_experiment(client, experiment_name())
    steps = _steps(client, experiment_id, pipeline_run) if experiment_id else []
    parent = find_parent(client, experiment_id, pipeline_run) if experiment_id else None
    if experiment_id is not None and parent is None and steps:
        parent = _make_parent(client, experiment_id, pipeline_run, steps)
    if parent is None:
        return f"nothing to close: MLflow has no run of '{pipeline_run}' in experiment '{experiment_name()}'"
    _adopt(client, parent, steps)
    why = ""
    if not status:
        status, why = by_last_stage(steps)
        error = error or (f"nobody told how the run ended, and {why}" if status == FAILED else "")
    left_open = [run for run in steps if run.info.status == RUNNING]
    left_as = FINISHED if status == FINISHED else KILLED  # a run that came to its end has no step that did not
    for run in left_open:
        client.set_terminated(run.info.run_id, left_as)
    if error:
        client.set_tag(parent.info.run_id, ERROR_TAG, error[:MAX_VALUE])
    elif ERROR_TAG in parent.data.tags:
        client.delete_tag(parent.info.run_id, ERROR_TAG)  # of an earlier try
    if left_open or parent.info.status != status:
        client.set_terminated(parent.info.run_id, status)
    left = f"; steps that were left open and are now {left_as}: {len(left_open)}" if left_open else ""
    because = f", for {why}" if why else ""
    return f"MLflow's run of '{pipeline_run}' is {status}{because}{_page(parent)}{left}"


def _page(parent: "Run") -> str:
    """Return the run's page, where a browser's way to the server is known: the address in here may be none."""
    known = os.environ.get(PAGES_VARIABLE)
    return f" ({run_page(known, parent.info.experiment_id, parent.info.run_id)})" if known else ""


def _steps(client: "MlflowClient", experiment_id: str, pipeline_run: str) -> "list[Run]":
    return list(PipelineRun(client, experiment_id, {PIPELINE_RUN_TAG: pipeline_run}, None).steps())


def _make_parent(client: "MlflowClient", experiment_id: str, pipeline_run: str, steps: "Sequence[Run]") -> "Run":
    tags = {PIPELINE_RUN_TAG: pipeline_run, **kubeflow_tags()}
    began = min((run.info.start_time for run in steps), default=None)
    return open_parent(client, experiment_id, pipeline_run_name(pipeline_run), tags, began)


def _adopt(client: "MlflowClient", parent: "Run", steps: "Sequence[Run]") -> None:
    """Put the runs of steps that found no parent below it."""
    for run in steps:
        if run.data.tags.get(PARENT_TAG) != parent.info.run_id:
            client.set_tag(run.info.run_id, PARENT_TAG, parent.info.run_id)
