"""The parent run of a pipeline run: created once, found again by its tag, its id kept in the workspace."""

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.tracking.addresses import ARTIFACTS, workspace_uri
from prunegap.tracking.mlflow_client import connect
from prunegap.tracking.mlflow_sink import PIPELINE_RUN_TAG, MlflowSink, find_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

STATE = "tracking.json"
KUBEFLOW_TAGS = {"kfp.pipeline_run_id": "KFP_RUN_ID", "kfp.pipeline_run_url": "KFP_RUN_URL"}


@dataclass(frozen=True)
class PipelineRun:
    """What ``tracking.json`` holds: enough to go on with the run, or to send it elsewhere later.

    ``uri`` is the last address used and ``runs`` the parent run's id by address, all without passwords.
    """

    id: str
    name: str
    experiment: str
    tags: Mapping[str, str]
    status: str
    uri: str
    runs: Mapping[str, str]


def read_pipeline_run(workspace: Path) -> PipelineRun | None:
    """Return the workspace's pipeline run, or None where nothing was tracked yet."""
    try:
        return PipelineRun(**json.loads((workspace / STATE).read_text()))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError) as error:
        raise UserError(f"{workspace / STATE}: unreadable ({error}); delete it to start a new tracked run") from None


def write_pipeline_run(workspace: Path, run: PipelineRun) -> None:
    """Write ``tracking.json`` beside and rename it into place."""
    path = workspace / STATE
    beside = path.with_name(path.name + ".partial")
    beside.write_text(json.dumps(asdict(run), indent=1) + "\n")
    beside.replace(path)


def begin_pipeline_run(workspace: Path, experiment: str, name: str, tags: Mapping[str, str]) -> PipelineRun:
    """Return the workspace's pipeline run, now running; it is written down before any server hears of it."""
    known = read_pipeline_run(workspace)
    if known is None:
        known = PipelineRun(f"{name}-{uuid.uuid4().hex[:12]}", name, experiment, {}, "RUNNING", "", {})
    run = replace(known, experiment=experiment, tags=dict(tags), status="RUNNING")
    workspace.mkdir(parents=True, exist_ok=True)
    write_pipeline_run(workspace, run)
    return run


def open_pipeline_run(
    uri: str,
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    *,
    run_id: str | None = None,
    artifact_root: Path | None = None,
) -> MlflowSink:
    """Resume the parent run, or create it, and return the sink of its steps.

    Args:
        uri: tracking address.
        experiment: name of the experiment, made if there is none; ``MLFLOW_EXPERIMENT_ID`` goes first.
        name: name of the parent run.
        tags: tags of the parent and of every step; ``prunegap.pipeline_run`` must be among them.
        run_id: the parent's id as remembered; ``MLFLOW_RUN_ID`` in the environment goes first.
        artifact_root: where a new experiment keeps files; None leaves that to the server.

    Raises:
        UserError: the experiment was deleted, or ``MLFLOW_RUN_ID`` names no run.
        Exception: whatever MLflow raises when it is down.
    """
    client = connect(uri)
    tags = {**tags, **kubeflow_tags()}
    given = os.environ.get("MLFLOW_RUN_ID")
    if given:
        return MlflowSink(client, uri, experiment_id=_resume(client, given, tags), tags=tags, parent=given)
    experiment_id = find_experiment(client, experiment, artifact_root)
    parent = _alive(client, run_id) or find_run(
        client, experiment_id, {PIPELINE_RUN_TAG: tags[PIPELINE_RUN_TAG], "prunegap.stage": "pipeline"}
    )
    parent_tags = {**tags, "prunegap.stage": "pipeline"}
    if parent is None:
        parent = client.create_run(experiment_id, tags=parent_tags, run_name=name).info.run_id
    else:
        experiment_id = _resume(client, parent, parent_tags)
    return MlflowSink(client, uri, experiment_id=experiment_id, tags=tags, parent=parent)


def artifact_root_of(workspace: Path, uri: str) -> Path | None:
    """Return where the workspace's own store keeps files; None for any other address."""
    return (workspace / ARTIFACTS).resolve() if uri == workspace_uri(workspace) else None


def kubeflow_tags() -> dict[str, str]:
    """Return the tags Kubeflow's own integration sets, from ``KFP_RUN_ID`` and ``KFP_RUN_URL``."""
    return {tag: os.environ[name] for tag, name in KUBEFLOW_TAGS.items() if os.environ.get(name)}


def find_experiment(client: "MlflowClient", name: str, artifact_root: Path | None) -> str:
    """Return the id of an experiment, made if there is none; ``MLFLOW_EXPERIMENT_ID`` goes first.

    Raises:
        UserError: an experiment of that name was deleted.
    """
    from mlflow.exceptions import MlflowException

    if os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return os.environ["MLFLOW_EXPERIMENT_ID"]
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_root.as_uri() if artifact_root else None)
        except MlflowException:
            # Another process may have made it in between.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UserError(f"tracking experiment '{name}' was deleted on the server; restore it or name another one")
    return found.experiment_id


def _alive(client: "MlflowClient", run_id: str | None) -> str | None:
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        stage = client.get_run(run_id).info.lifecycle_stage
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run_id if stage == "active" else None


def _resume(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> str:
    from mlflow.entities import RunTag

    if _alive(client, run_id) is None:
        raise UserError(f"MLFLOW_RUN_ID names run '{run_id}', which does not exist there; unset it or correct it")
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    client.update_run(run_id, status="RUNNING")
    return client.get_run(run_id).info.experiment_id
