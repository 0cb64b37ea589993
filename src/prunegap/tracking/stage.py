"""Tracking one step that runs alone, in a container: where to log comes from the environment."""

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

from prunegap.artifacts.manifest import manifest_at
from prunegap.tracking.addresses import without_password
from prunegap.tracking.environment import KUBEFLOW_RUN_VARIABLE, experiment_name, pipeline_run_id
from prunegap.tracking.mlflow_client import check_server, connect
from prunegap.tracking.mlflow_runs import PARENT_TAG, PIPELINE_RUN_TAG, STAGE_TAG, add_tags
from prunegap.tracking.pipeline_run import (
    KUBEFLOW_RUN_TAG,
    PIPELINE,
    PipelineRun,
    find_experiment,
    find_parent,
    kubeflow_tags,
    resume,
)
from prunegap.tracking.protocol import NullTracker, Tracker
from prunegap.tracking.reasons import reason
from prunegap.tracking.tracked_step import FINISHED, NOWHERE, Step, note, note_done
from prunegap.tracking.tracker import LiveTracker, print_warning, tracked
from prunegap.tracking.upload import send_step

KUBEFLOW_PATIENCE = 300.0
"""Seconds that a task on Kubeflow waits at its end for a tracking server that is away."""


@contextmanager
def stage_tracker(
    folder: Path,
    name: str,
    parameters: Mapping[str, object],
    tags: Mapping[str, str],
    *,
    outputs: Mapping[str, Path] = NOWHERE,
    warn: Callable[[str], None] = print_warning,
) -> Generator[Tracker]:
    """Track one step by ``MLFLOW_TRACKING_URI``; without it, only the file of a step that succeeds is written.

    The step logs to the run ``MLFLOW_RUN_ID`` if that is set (Kubeflow sets it), else to a run nested below
    the parent of ``PRUNEGAP_PIPELINE_RUN`` or ``KFP_RUN_ID``, an identifier all steps of a pipeline run
    share, else to a run of its own. The parent is made by ``prunegap open-run``; a step only finds it, and where it
    finds none, ``close-run`` puts the step's run below one. A server that fails costs one warning, not the step.
    """
    uri, warned = os.environ.get("MLFLOW_TRACKING_URI"), list[Exception]()
    step = Step.beginning(name, folder, parameters, tags, outputs)
    if not uri:
        yield NullTracker()
        note(folder, step.over(FINISHED), warn)
        return

    def open_run():  # noqa: ANN202
        check_server(uri)
        return _pipeline_run(uri).open_step(step)

    def fail(error: Exception) -> None:
        if not warned:
            warn(
                f"tracking at {without_password(uri)} failed ({reason(error)}); the step goes on, and sends what is "
                "missing when it ends"
            )
        warned.append(error)

    # What a pod lays down goes with it; elsewhere the workspace stays, for an upload or close-run.
    patience = KUBEFLOW_PATIENCE if os.environ.get(KUBEFLOW_RUN_VARIABLE) else 0.0
    with tracked(LiveTracker(open_run, fail, patience=patience), step, folder, warn) as tracker:
        yield tracker


def complete_step(
    folder: Path, step: Step, inputs: Iterable[Path], warn: Callable[[str], None] = print_warning
) -> None:
    """Send what MLflow lacks of a step that was found done; a server that fails costs one warning.

    Args:
        folder: of the step.
        step: as it would begin now.
        inputs: folders of what it read.
        warn: receives one line for what cannot be sent.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    step = note_done(folder, step, warn)
    if not uri:
        return
    try:
        check_server(uri)
        run, made = _pipeline_run(uri, reopen=False), {manifest_at(path).digest: path for path in inputs}
        send_step(folder, step, run, run.find_step(step), made=lambda: made, warn=warn)
    except Exception as error:
        warn(
            f"{step.name}: MLflow at {without_password(uri)} may lack something of it ({reason(error)}); the same "
            "command sends it once the server answers, `prunegap upload` and `prunegap close-run` too"
        )


def _pipeline_run(uri: str, *, reopen: bool = True) -> PipelineRun:
    client, step_run, pipeline_run = connect(uri), os.environ.get("MLFLOW_RUN_ID"), pipeline_run_id()
    tags = kubeflow_tags()
    if step_run:
        # Its run and the parent above it were made by Kubeflow: both get the tags ours have.
        run = client.get_run(step_run)
        pipeline_run = pipeline_run or run.data.tags.get(KUBEFLOW_RUN_TAG)
        tags |= {PIPELINE_RUN_TAG: pipeline_run} if pipeline_run else {}
        if (above := run.data.tags.get(PARENT_TAG)) and pipeline_run:
            add_tags(client, client.get_run(above), {**tags, STAGE_TAG: PIPELINE})
        return PipelineRun(client, run.info.experiment_id, tags, None, step_run)
    experiment_id = find_experiment(client, experiment_name())
    if not pipeline_run:
        return PipelineRun(client, experiment_id, tags, None)
    tags |= {PIPELINE_RUN_TAG: pipeline_run}
    parent = find_parent(client, experiment_id, pipeline_run)
    if parent is not None and reopen:
        resume(client, parent, tags)
    return PipelineRun(client, experiment_id, tags, parent.info.run_id if parent else None)
