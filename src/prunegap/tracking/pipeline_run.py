"""A pipeline run in MLflow: a parent run and the runs of its steps, found again by their tags."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.tracking.environment import KUBEFLOW_RUN_VARIABLE
from prunegap.tracking.links import EXPERIMENT_TAGS
from prunegap.tracking.mlflow_runs import (
    BEGAN_TAG,
    NAME_TAG,
    PARENT_TAG,
    PIPELINE_RUN_TAG,
    STAGE_TAG,
    STEP_TAG,
    MlflowStepRun,
    add_tags,
    find_or_create,
    find_run,
    find_runs,
)
from prunegap.tracking.names import run_name
from prunegap.tracking.origin import origin
from prunegap.tracking.tracked_step import RUNNING, Step

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PIPELINE = "pipeline"
KUBEFLOW_RUN_TAG = "kfp.pipeline_run_id"
KUBEFLOW_TAGS = {KUBEFLOW_RUN_TAG: KUBEFLOW_RUN_VARIABLE, "kfp.pipeline_run_url": "KFP_RUN_URL"}


@dataclass(frozen=True)
class PipelineRun:
    """Where the steps of a pipeline run are, at one tracking address.

    Attributes:
        client: client of the address.
        experiment_id: experiment of all runs.
        tags: tags of every run; ``prunegap.pipeline_run`` among them identifies the pipeline run, if there is one.
        parent: id of the parent run; None where there is none (yet).
        step_run: id of the run a step is told to log to; None to find or create it.
    """

    client: "MlflowClient"
    experiment_id: str
    tags: Mapping[str, str]
    parent: str | None
    step_run: str | None = None

    def open_step(self, step: Step) -> MlflowStepRun:
        """Find the step's run by its tags, or create it below the parent, and bring it up to date."""
        tags = {**self.tags, **step.tags, STEP_TAG: step.name, **({} if self.step_run else self._identity(step))}
        tags[NAME_TAG] = run_name(step.name, step.tags)
        if self.parent is not None:
            tags[PARENT_TAG] = self.parent

        def create() -> "Run":
            return self.client.create_run(self.experiment_id, step.began, tags=origin() | tags)

        if self.step_run is not None:
            run, taken_up = self.client.get_run(self.step_run), True
        else:
            run, taken_up = find_or_create(self.client, self.experiment_id, self._identity(step), create)
        opened = MlflowStepRun(self.client, run, taken_up=taken_up)
        opened.begin(run, step, tags)
        return opened

    def find_step(self, step: Step) -> "Run | None":
        """Return the step's run, or None."""
        if self.step_run is not None:
            return self.client.get_run(self.step_run)
        return find_run(self.client, self.experiment_id, self._identity(step))

    def _identity(self, step: Step) -> dict[str, str]:
        """Return the tags that only the step's run has; a step of no pipeline run is told by when it began."""
        run = self.tags.get(PIPELINE_RUN_TAG)
        return {STEP_TAG: step.name} | ({PIPELINE_RUN_TAG: run} if run else {BEGAN_TAG: str(step.began)})

    def steps(self) -> "Iterator[Run]":
        """Yield the run of every step, whatever parent it has."""
        identity = {PIPELINE_RUN_TAG: self.tags[PIPELINE_RUN_TAG]}
        for run in find_runs(self.client, self.experiment_id, identity):
            if STEP_TAG in run.data.tags and run.info.run_id != self.parent:
                yield run

    def end(self, status: str) -> None:
        """Close the parent run, if the pipeline run is over."""
        if self.parent is not None and status != RUNNING:
            self.client.set_terminated(self.parent, status)


def open_parent(
    client: "MlflowClient",
    experiment_id: str,
    name: str,
    tags: Mapping[str, str],
    start_time: int | None = None,
) -> "Run":
    """Find or create the parent run, with its tags and open.

    Args:
        client: client of the tracking address.
        experiment_id: its experiment.
        name: of a new run.
        tags: of the parent and of every step; ``prunegap.pipeline_run`` must be among them.
        start_time: of a new run, in milliseconds since 1970; None: now.
    """
    tags = {**tags, STAGE_TAG: PIPELINE}
    identity = {key: tags[key] for key in (PIPELINE_RUN_TAG, STAGE_TAG)}

    def create() -> "Run":
        return client.create_run(experiment_id, start_time, tags=origin() | tags, run_name=name)

    run, _ = find_or_create(client, experiment_id, identity, create)
    resume(client, run, tags)
    return run


def find_parent(client: "MlflowClient", experiment_id: str, pipeline_run: str) -> "Run | None":
    """Return the parent run of a pipeline run, or None."""
    return find_run(client, experiment_id, {PIPELINE_RUN_TAG: pipeline_run, STAGE_TAG: PIPELINE})


def resume(client: "MlflowClient", run: "Run", tags: Mapping[str, str]) -> None:
    """Give a run the tags it lacks, and open it again if it was closed."""
    add_tags(client, run, tags)
    if run.info.status != RUNNING:
        client.update_run(run.info.run_id, status=RUNNING)


def kubeflow_tags() -> dict[str, str]:
    """Return the tags Kubeflow's own integration sets, from ``KFP_RUN_ID`` and ``KFP_RUN_URL``."""
    return {tag: os.environ[name] for tag, name in KUBEFLOW_TAGS.items() if os.environ.get(name)}


def find_experiment(client: "MlflowClient", name: str, artifact_root: Path | None = None) -> str:
    """Return the id of an experiment, made if there is none; ``MLFLOW_EXPERIMENT_ID`` goes first.

    Args:
        client: client of the tracking address.
        name: of the experiment.
        artifact_root: where a new one keeps files; None leaves that to the server.

    Raises:
        UserError: an experiment of that name was deleted.
    """
    from mlflow.exceptions import MlflowException

    found = known_experiment(client, name)
    if found is not None:
        return found
    try:
        return client.create_experiment(name, artifact_root.as_uri() if artifact_root else None, EXPERIMENT_TAGS)
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
    for key, value in EXPERIMENT_TAGS.items():
        if key not in found.tags:
            client.set_experiment_tag(found.experiment_id, key, value)
    return found.experiment_id
