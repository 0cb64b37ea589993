"""The pipeline run of a workspace at a tracking address: found there, or made."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.tracking.addresses import ARTIFACTS, without_password, workspace_uri
from prunegap.tracking.mlflow_client import connect
from prunegap.tracking.mlflow_runs import PIPELINE_RUN_TAG
from prunegap.tracking.own_store import keep_files_here
from prunegap.tracking.pipeline_run import PipelineRun, find_experiment, kubeflow_tags, open_parent, resume
from prunegap.tracking.reasons import reason
from prunegap.tracking.workspace_run import WorkspaceRun, write_workspace_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def open_workspace_run(workspace: Path, uri: str, run: WorkspaceRun) -> PipelineRun:
    """Resume the workspace's pipeline run at an address, or make it there, and note the address.

    Raises:
        UserError: the address does not take it.
    """
    shown, own = without_password(uri), uri == workspace_uri(workspace)
    try:
        opened = _pipeline_run(workspace, uri, run)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"tracking at {shown} does not take the run ({reason(error)}); check the address, or leave out "
            "--tracking-uri and MLFLOW_TRACKING_URI to track in the workspace"
        ) from error
    with suppress(OSError):  # a copy that cannot be written can be sent
        write_workspace_run(workspace, replace(run, uri="" if own else shown))
    return opened


def _pipeline_run(workspace: Path, uri: str, run: WorkspaceRun) -> PipelineRun:
    """Resume the parent run, or create it; ``MLFLOW_RUN_ID`` in the environment goes first."""
    own = uri == workspace_uri(workspace)
    if own:
        keep_files_here(workspace)
    client, tags = connect(uri), {**run.tags, PIPELINE_RUN_TAG: run.id, **kubeflow_tags()}
    given = os.environ.get("MLFLOW_RUN_ID")
    if given:
        found = _run_given(client, given)
        resume(client, found, tags)
    else:
        root = (workspace / ARTIFACTS).resolve() if own else None
        found = open_parent(client, find_experiment(client, run.experiment, root), run.name, tags)
    return PipelineRun(client, found.info.experiment_id, tags, found.info.run_id)


def _run_given(client: "MlflowClient", run_id: str) -> "Run":
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        run = None
    if run is None or run.info.lifecycle_stage != "active":
        raise UserError(f"MLFLOW_RUN_ID names run '{run_id}', which does not exist there; unset it or correct it")
    return run
