"""Closing a pipeline run whose steps ran in containers: the last thing that happens, also after a failure."""

import os
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.tracking.addresses import without_password
from prunegap.tracking.environment import (
    KUBEFLOW_RUN_VARIABLE,
    PIPELINE_RUN_VARIABLE,
    experiment_name,
    pipeline_run_id,
)
from prunegap.tracking.mlflow_client import check_server, connect
from prunegap.tracking.mlflow_sink import MAX_VALUE, PARENT_TAG
from prunegap.tracking.pipeline_run import known_experiment, parent_identity
from prunegap.tracking.reasons import reason
from prunegap.tracking.sole_run import find_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

ERROR_TAG = "prunegap.error"


def close_pipeline_run(status: str, error: str = "") -> str:
    """Close the parent run that the environment names, and the nested runs that dead containers left open.

    Args:
        status: ``FINISHED``, ``FAILED`` or ``KILLED``.
        error: why it failed; kept as a tag of the parent.

    Returns:
        One line that says what was done, or why nothing was: tracking never fails a run.
    """
    uri, pipeline_run = os.environ.get("MLFLOW_TRACKING_URI"), pipeline_run_id()
    if not uri:
        return "nothing to close: the run is not tracked (MLFLOW_TRACKING_URI is not set)"
    if os.environ.get("MLFLOW_RUN_ID"):
        return "nothing to close: Kubeflow made the MLflow run (MLFLOW_RUN_ID is set) and closes it itself"
    if not pipeline_run:
        return f"nothing to close: neither {PIPELINE_RUN_VARIABLE} nor {KUBEFLOW_RUN_VARIABLE} says which run"
    try:
        check_server(uri)
        return _close(connect(uri), pipeline_run, status, error)
    except UserError as refusal:
        return f"warning: MLflow's run of '{pipeline_run}' is left open: {refusal}"
    except Exception as failure:
        return (
            f"warning: MLflow's run of '{pipeline_run}' is left open: {without_password(uri)} failed "
            f"({reason(failure)}); look at the server's log, then close the run with the same command"
        )


def _close(client: "MlflowClient", pipeline_run: str, status: str, error: str) -> str:
    experiment_id = known_experiment(client, experiment_name())
    parent = find_run(client, experiment_id, parent_identity(pipeline_run)) if experiment_id else None
    if experiment_id is None or parent is None:
        return f"nothing to close: MLflow has no run of '{pipeline_run}' in experiment '{experiment_name()}'"
    run_id = parent.info.run_id
    killed = 0
    while open_runs := client.search_runs(
        [experiment_id], f"tags.`{PARENT_TAG}` = '{run_id}' and attributes.status = 'RUNNING'", max_results=100
    ):
        for run in open_runs:
            client.set_terminated(run.info.run_id, "KILLED")
        killed += len(open_runs)
    if error:
        client.set_tag(run_id, ERROR_TAG, error[:MAX_VALUE])
    if killed or parent.info.status != status:
        client.set_terminated(run_id, status)
    left = f"; steps that were left open and are now KILLED: {killed}" if killed else ""
    return f"MLflow's run of '{pipeline_run}' is {status}{left}"
