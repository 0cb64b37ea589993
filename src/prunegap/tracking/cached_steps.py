"""Steps that a pipeline run did not do, as Kubeflow had their results: each gets a run that says whose they are."""

import os
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from prunegap.tracking.addresses import without_password
from prunegap.tracking.environment import experiment_name, pipeline_run_id
from prunegap.tracking.links import WORKFLOW
from prunegap.tracking.mlflow_client import check_server, connect
from prunegap.tracking.mlflow_runs import (
    CACHED_TAG,
    MAX_PARAMETERS,
    NAME_TAG,
    PARENT_TAG,
    PIPELINE_RUN_TAG,
    STEP_TAG,
    add_tags,
    find_or_create,
    find_run,
)
from prunegap.tracking.names import run_name
from prunegap.tracking.pipeline_run import PipelineRun, find_experiment, find_parent, kubeflow_tags
from prunegap.tracking.reasons import reason
from prunegap.tracking.tracked_step import FINISHED
from prunegap.tracking.tracker import MAX_BATCH, print_warning

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SOURCE_TAG = "prunegap.cached_run"
NOTE_TAG = "mlflow.note.content"


def record_cached(lineage: Mapping[str, Mapping[str, Any]], warn: Callable[[str], None] = print_warning) -> None:
    """Write a nested run for every step of another pipeline run that this one has no record of.

    It holds the tags, parameters and last metrics that MLflow has of the step in the run that did it, and says which
    that was. Kubeflow's own integration (``MLFLOW_RUN_ID``) makes a run of a cached task itself. A server that fails
    costs one warning: every later step of the run writes what is missing.

    Args:
        lineage: ``pipeline_run`` and ``tags`` of each step, by its name.
        warn: receives one line for what cannot be written.
    """
    uri, pipeline_run = os.environ.get("MLFLOW_TRACKING_URI"), pipeline_run_id()
    foreign = {step: made for step, made in lineage.items() if made["pipeline_run"] != pipeline_run}
    if not uri or not pipeline_run or not foreign or os.environ.get("MLFLOW_RUN_ID"):
        return
    try:
        check_server(uri)
        client = connect(uri)
        experiment_id = find_experiment(client, experiment_name())
        parent = find_parent(client, experiment_id, pipeline_run)
        tags = {**kubeflow_tags(), PIPELINE_RUN_TAG: pipeline_run} | (
            {PARENT_TAG: parent.info.run_id} if parent else {}
        )
        there = {run.data.tags[STEP_TAG] for run in PipelineRun(client, experiment_id, tags, None).steps()}
        for step, made in foreign.items():
            if step not in there:
                _record(client, experiment_id, step, made, tags)
    except Exception as error:
        warn(
            f"tracking at {without_password(uri)} failed ({reason(error)}); a later step notes what this run takes "
            f"from others: {', '.join(foreign)}"
        )


def _record(
    client: "MlflowClient", experiment_id: str, step: str, made: Mapping[str, Any], tags: Mapping[str, str]
) -> None:
    done_in = str(made["pipeline_run"])
    source = find_run(client, experiment_id, {PIPELINE_RUN_TAG: done_in, STEP_TAG: step})
    where = (
        f"[its record there](#/experiments/{experiment_id}/runs/{source.info.run_id}?{WORKFLOW})"
        if source
        else "no record"
    )
    identity = {PIPELINE_RUN_TAG: tags[PIPELINE_RUN_TAG], STEP_TAG: step}
    said = {
        **made["tags"],
        **tags,
        **identity,
        NAME_TAG: run_name(step, made["tags"]),
        CACHED_TAG: done_in,
        NOTE_TAG: f"Cached: pipeline run `{done_in}` did this step ({where}).",
        **({SOURCE_TAG: source.info.run_id} if source else {}),
    }
    run, _ = find_or_create(client, experiment_id, identity, lambda: client.create_run(experiment_id, tags=said))
    add_tags(client, run, said)
    if source is not None:
        _copy(client, source, run)
    client.set_terminated(run.info.run_id, FINISHED)


def _copy(client: "MlflowClient", source: "Run", run: "Run") -> None:
    """Copy parameters and last metrics: the same things made the same result."""
    from mlflow.entities import Metric, Param

    known: Mapping[str, str] = run.data.params
    params = iter([Param(key, value) for key, value in source.data.params.items() if key not in known])
    while some := list(islice(params, MAX_PARAMETERS)):
        client.log_batch(run.info.run_id, params=some)
    held: Any = source.data.to_proto()
    last = [Metric.from_proto(one) for one in held.metrics]
    for start in range(0, len(last), MAX_BATCH):
        client.log_batch(run.info.run_id, metrics=last[start : start + MAX_BATCH])
