"""Tracking one step that runs alone, in a container: where to log comes from the environment."""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prunegap.tracking.addresses import without_password
from prunegap.tracking.delivery import Sink, print_warning
from prunegap.tracking.environment import experiment_name, pipeline_run_id, pipeline_run_name
from prunegap.tracking.mlflow_client import check_server, connect
from prunegap.tracking.mlflow_sink import PARENT_TAG, PIPELINE_RUN_TAG, STAGE_TAG, MlflowSink
from prunegap.tracking.pipeline_run import (
    KUBEFLOW_RUN_TAG,
    PIPELINE,
    add_tags,
    find_experiment,
    kubeflow_tags,
    open_pipeline_run,
)
from prunegap.tracking.protocol import NullTracker, Tracker
from prunegap.tracking.reasons import reason
from prunegap.tracking.session import tracked
from prunegap.tracking.spool import SPOOL, SpooledTracker


@contextmanager
def stage_tracker(
    folder: Path,
    name: str,
    parameters: Mapping[str, object],
    tags: Mapping[str, str],
    warn: Callable[[str], None] = print_warning,
) -> Generator[Tracker]:
    """Track one step by ``MLFLOW_TRACKING_URI``; without it, track nothing.

    The step logs to the run ``MLFLOW_RUN_ID`` if that is set (Kubeflow sets it), else to a run nested below
    the parent of ``PRUNEGAP_PIPELINE_RUN`` or ``KFP_RUN_ID``, an identifier all steps of a pipeline run
    share, else to a run of its own. A server that fails costs one warning, not the step.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        yield NullTracker()
        return
    sink: Sink | None = None
    try:
        check_server(uri)
        sink = _open(uri)
    except Exception as error:
        warn(f"the step is not tracked, but goes on: {reason(error)}")
    tracker = SpooledTracker(folder / SPOOL, sink, lambda error: warn(_line(error, uri, folder)), warn)
    with tracked(tracker, name, parameters, tags):
        yield tracker


def _open(uri: str) -> MlflowSink:
    step_run, pipeline_run = os.environ.get("MLFLOW_RUN_ID"), pipeline_run_id()
    if step_run:
        return _kubeflow_sink(uri, step_run, pipeline_run)
    if pipeline_run:
        name, tags = pipeline_run_name(pipeline_run), {PIPELINE_RUN_TAG: pipeline_run}
        return open_pipeline_run(uri, experiment_name(), name, tags, shared=True)
    client = connect(uri)
    experiment_id = find_experiment(client, experiment_name(), None)
    return MlflowSink(client, uri, experiment_id=experiment_id, tags=kubeflow_tags(), parent=None)


def _kubeflow_sink(uri: str, step_run: str, pipeline_run: str | None) -> MlflowSink:
    """Return the sink of a step whose run, and the parent above it, Kubeflow made: both get the tags ours have."""
    client = connect(uri)
    run = client.get_run(step_run)
    pipeline_run = pipeline_run or run.data.tags.get(KUBEFLOW_RUN_TAG)
    tags = kubeflow_tags() | ({PIPELINE_RUN_TAG: pipeline_run} if pipeline_run else {})
    parent = run.data.tags.get(PARENT_TAG)
    if parent and pipeline_run:
        add_tags(client, client.get_run(parent), {**tags, STAGE_TAG: PIPELINE})
    return MlflowSink(client, uri, experiment_id=run.info.experiment_id, tags=tags, parent=None, step_run=step_run)


def _line(error: Exception, uri: str, folder: Path) -> str:
    where = without_password(uri)
    return f"tracking at {where} failed ({reason(error)}); the step goes on; its records: {folder / SPOOL}"
