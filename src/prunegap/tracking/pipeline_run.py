"""The parent run of a pipeline run: created once, found again by its tag, its id kept in the workspace."""

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.artifacts.manifest import write_json
from prunegap.errors import UserError
from prunegap.tracking.addresses import ARTIFACTS, workspace_uri
from prunegap.tracking.environment import KUBEFLOW_RUN_VARIABLE
from prunegap.tracking.mlflow_client import connect
from prunegap.tracking.mlflow_sink import PIPELINE_RUN_TAG, STAGE_TAG, MlflowSink
from prunegap.tracking.sole_run import find_run, sole_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STATE = "tracking.json"
PIPELINE = "pipeline"
KUBEFLOW_RUN_TAG = "kfp.pipeline_run_id"
KUBEFLOW_TAGS = {KUBEFLOW_RUN_TAG: KUBEFLOW_RUN_VARIABLE, "kfp.pipeline_run_url": "KFP_RUN_URL"}


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
    """Write ``tracking.json``."""
    write_json(workspace / STATE, asdict(run))


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
    shared: bool = False,
) -> MlflowSink:
    """Resume the parent run, or create it, and return the sink of its steps.

    Args:
        uri: tracking address.
        experiment: name of the experiment, made if there is none; ``MLFLOW_EXPERIMENT_ID`` goes first.
        name: name of the parent run.
        tags: tags of the parent and of every step; ``prunegap.pipeline_run`` must be among them.
        run_id: the parent's id as remembered; ``MLFLOW_RUN_ID`` in the environment goes first.
        artifact_root: where a new experiment keeps files; None leaves that to the server.
        shared: other processes may open the same pipeline run at the same moment; they must end with one parent.

    Raises:
        UserError: the experiment was deleted, or ``MLFLOW_RUN_ID`` names no run.
        Exception: whatever MLflow raises when it is down.
    """
    client = connect(uri)
    tags = {**tags, **kubeflow_tags()}
    given = os.environ.get("MLFLOW_RUN_ID")
    if given:
        run = _alive(client, given)
        if run is None:
            raise UserError(f"MLFLOW_RUN_ID names run '{given}', which does not exist there; unset it or correct it")
        resume(client, run, tags)
        return MlflowSink(client, uri, experiment_id=run.info.experiment_id, tags=tags, parent=given)
    experiment_id = find_experiment(client, experiment, artifact_root)
    parent_tags = {**tags, STAGE_TAG: PIPELINE}
    identity = parent_identity(tags[PIPELINE_RUN_TAG])

    def create() -> "Run":
        return client.create_run(experiment_id, tags=parent_tags, run_name=name)

    if shared:
        run = sole_run(client, experiment_id, identity, PIPELINE_RUN_TAG, create)
    else:
        run = _alive(client, run_id) or find_run(client, experiment_id, identity) or create()
    resume(client, run, parent_tags)
    return MlflowSink(
        client, uri, experiment_id=run.info.experiment_id, tags=tags, parent=run.info.run_id, shared=shared
    )


def parent_identity(pipeline_run: str) -> dict[str, str]:
    """Return the tags that tell the parent run of a pipeline run from all others."""
    return {PIPELINE_RUN_TAG: pipeline_run, STAGE_TAG: PIPELINE}


def resume(client: "MlflowClient", run: "Run", tags: Mapping[str, str]) -> None:
    """Give a run the tags it lacks, and open it again if it was closed."""
    add_tags(client, run, tags)
    if run.info.status != "RUNNING":
        client.update_run(run.info.run_id, status="RUNNING")


def add_tags(client: "MlflowClient", run: "Run", tags: Mapping[str, str]) -> None:
    """Give a run the tags it lacks."""
    from mlflow.entities import RunTag

    lacking = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
    if lacking:
        client.log_batch(run.info.run_id, tags=lacking)


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

    found = known_experiment(client, name)
    if found is not None:
        return found
    try:
        return client.create_experiment(name, artifact_root.as_uri() if artifact_root else None)
    except MlflowException:
        # MLflow makes one of a name; another process may have done so in between.
        found = known_experiment(client, name)
        if found is None:
            raise
        return found


def known_experiment(client: "MlflowClient", name: str) -> str | None:
    """Return the id of an experiment, or None if there is none; ``MLFLOW_EXPERIMENT_ID`` goes first.

    Raises:
        UserError: an experiment of that name was deleted.
    """
    if os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return os.environ["MLFLOW_EXPERIMENT_ID"]
    found = client.get_experiment_by_name(name)
    if found is None:
        return None
    if found.lifecycle_stage != "active":
        raise UserError(f"tracking experiment '{name}' was deleted on the server; restore it or name another one")
    return found.experiment_id


def _alive(client: "MlflowClient", run_id: str | None) -> "Run | None":
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None
