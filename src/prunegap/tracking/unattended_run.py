"""A pipeline run whose steps run in containers: opened before the first of them, closed after the last."""

import os
from collections.abc import Callable, Sequence
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
from prunegap.tracking.tracked_step import KILLED, RUNNING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ERROR_TAG = "prunegap.error"


def open_pipeline_run() -> str:
    """Create the parent run that the environment names, so that no two steps have to agree on who does.

    Returns:
        One line that says what was done, or why nothing was: tracking never fails a run.
    """
    return _by_environment("open", "is not opened", _open)


def close_pipeline_run(status: str, error: str = "") -> str:
    """Close the parent run that the environment names, and the nested runs that dead containers left open.

    Args:
        status: ``FINISHED``, ``FAILED`` or ``KILLED``.
        error: why it failed; kept as a tag of the parent.

    Returns:
        One line that says what was done, or why nothing was: tracking never fails a run.
    """
    return _by_environment(
        "close", "is left open", lambda client, pipeline_run: _close(client, pipeline_run, status, error)
    )


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
    left_open = [run for run in steps if run.info.status == RUNNING]
    for run in left_open:
        client.set_terminated(run.info.run_id, KILLED)
    if error:
        client.set_tag(parent.info.run_id, ERROR_TAG, error[:MAX_VALUE])
    if left_open or parent.info.status != status:
        client.set_terminated(parent.info.run_id, status)
    left = f"; steps that were left open and are now KILLED: {len(left_open)}" if left_open else ""
    return f"MLflow's run of '{pipeline_run}' is {status}{left}{_page(parent)}"


def _page(parent: "Run") -> str:
    """Return the run's page, where a browser's way to the server is known: the address in here may be none."""
    known = os.environ.get(PAGES_VARIABLE)
    return f": {run_page(known, parent.info.experiment_id, parent.info.run_id)}" if known else ""


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
