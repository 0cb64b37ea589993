"""Runs in MLflow: one is found by its tags before it is created, and nothing is written to it twice."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunegap.tracking.inputs import dataset_input
from prunegap.tracking.mlflow_model import sent_model
from prunegap.tracking.names import MetricNames, slug
from prunegap.tracking.tracked_step import RUNNING, Step
from prunegap.tracking.tracker import MAX_BATCH, Point

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

PARENT_TAG = "mlflow.parentRunId"
PIPELINE_RUN_TAG = "prunegap.pipeline_run"
STAGE_TAG = "prunegap.stage"
STEP_TAG = "prunegap.step"
CHANGED_TAG = "prunegap.changed"
TOLD_TAG = "prunegap.told"
CACHED_TAG = "prunegap.cached_from"
GROUPS = "groups.json"
MAX_PARAMETERS = 100
MAX_VALUE = 6000


class MlflowStepRun:
    """The run of one step.

    Args:
        client: client of the tracking address.
        run: the run.
        taken_up: it may hold what is going to be written: values are looked for before they are written.
    """

    def __init__(self, client: "MlflowClient", run: "Run", *, taken_up: bool) -> None:
        self._client, self._run_id, self._experiment_id = client, run.info.run_id, run.info.experiment_id
        self._there = MetricsThere(client, run) if taken_up else None
        self._names = MetricNames(self._renamed_before(run) if taken_up else {})
        self._renamed = len(self._names.renamed)

    def begin(self, run: "Run", step: Step, tags: Mapping[str, str]) -> None:
        """Bring tags and parameters up to date, and open the run again if it was closed."""
        from mlflow.entities import Param

        keys = MetricNames()
        said = {keys.slug(key): value[:MAX_VALUE] for key, value in step.parameters.items()}
        known: Mapping[str, str] = run.data.params
        # MLflow refuses a second value of a parameter: the run keeps its first, a tag tells the latest.
        changed = {f"{CHANGED_TAG}.{key}": said[key] for key in said if known.get(key, said[key]) != said[key]}
        add_tags(self._client, run, {**tags, **changed})
        new = iter([Param(key, value) for key, value in said.items() if key not in known])
        while part := list(islice(new, MAX_PARAMETERS)):
            self._client.log_batch(self._run_id, params=part)
        if run.info.status != RUNNING:
            self._client.update_run(self._run_id, status=RUNNING)
        if CACHED_TAG in run.data.tags:
            self._client.delete_tag(self._run_id, CACHED_TAG)  # now this run does the step itself

    def log_points(self, points: Sequence[Point]) -> None:
        """Write at most 1,000 values, those that are not there."""
        from mlflow.entities import Metric

        metrics = [Metric(self._names.slug(name), value, time, epoch) for name, value, epoch, time in points]
        if self._there is not None:
            metrics = [metric for metric in metrics if not self._there.holds(metric)]
        self._client.log_batch(self._run_id, metrics=metrics)
        if len(self._names.renamed) > self._renamed:
            self._client.log_dict(self._run_id, self._names.renamed, GROUPS)
            self._renamed = len(self._names.renamed)

    def log_input(self, name: str, folder: Path) -> None:
        """Note a data set."""
        self._client.log_inputs(self._run_id, [dataset_input(name, folder)])

    def log_files(self, name: str, folder: Path) -> None:
        """Attach a folder."""
        self._client.log_artifacts(self._run_id, str(folder), name)

    def log_model(self, name: str, folder: Path, points: Sequence[Point]) -> None:
        """Keep a model with what was measured of it."""
        from mlflow.entities import Metric

        model = sent_model(self._client, self._run_id, name, folder, experiment_id=self._experiment_id)
        known = {(metric.key, repr(metric.value)) for metric in model.metrics or []}
        of: Mapping[str, Any] = {"model_id": model.model_id, "run_id": self._run_id}
        metrics = [Metric(self._names.slug(name), value, time, epoch, **of) for name, value, epoch, time in points]
        metrics = [metric for metric in metrics if (metric.key, repr(metric.value)) not in known]
        for start in range(0, len(metrics), MAX_BATCH):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + MAX_BATCH])

    def end(self, step: Step, told: str) -> None:
        """Close the run; ``told`` is the digest of all that it was told of."""
        self._client.set_tag(self._run_id, TOLD_TAG, told)
        if step.status != RUNNING:
            self._client.set_terminated(self._run_id, step.status, step.ended)

    def _renamed_before(self, run: "Run") -> dict[str, str]:
        names = {key: key for key in run.data.metrics}
        if any(file.path == GROUPS for file in self._client.list_artifacts(self._run_id)):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(self._client.download_artifacts(self._run_id, GROUPS, folder))
                names |= json.loads(path.read_text(encoding="utf-8"))
        return names


class MetricsThere:
    """The metrics of a run as they were when it was taken up; a metric's history is fetched once, if asked for."""

    def __init__(self, client: "MlflowClient", run: "Run") -> None:
        self._client, self._run_id = client, run.info.run_id
        self._keys = set(run.data.metrics)
        self._points: dict[str, set[tuple[int, str]]] = {}

    def holds(self, metric: "Metric") -> bool:
        """Whether the run held this value of the metric at this epoch."""
        if metric.key not in self._keys:
            return False
        if metric.key not in self._points:
            history = self._client.get_metric_history(self._run_id, metric.key)
            self._points[metric.key] = {(point.step, repr(point.value)) for point in history}
        return (metric.step, repr(metric.value)) in self._points[metric.key]


def find_runs(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> "Iterator[Run]":
    """Yield every run that has all these tags and was not deleted, the oldest first."""
    conditions = " and ".join(f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items())
    order = ["attributes.start_time ASC", "attributes.run_id ASC"]
    token: str | None = None
    while True:
        page: Any = client.search_runs([experiment_id], conditions, order_by=order, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def find_run(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> "Run | None":
    """Return the oldest run that has all these tags and was not deleted, or None."""
    return next(find_runs(client, experiment_id, tags), None)


def find_or_create(
    client: "MlflowClient", experiment_id: str, identity: Mapping[str, str], create: "Callable[[], Run]"
) -> "tuple[Run, bool]":
    """Return the run with these tags, and whether it was there; of two created at one moment the older one stays."""
    found = find_run(client, experiment_id, identity)
    if found is not None:
        return found, True
    mine = create()
    first = find_run(client, experiment_id, identity)
    if first is None or first.info.run_id == mine.info.run_id:
        return mine, False
    client.delete_run(mine.info.run_id)
    return first, True


def add_tags(client: "MlflowClient", run: "Run", tags: Mapping[str, str]) -> None:
    """Give a run the tags it lacks."""
    from mlflow.entities import RunTag

    said = {slug(key): value for key, value in tags.items()}
    lacking = [RunTag(key, value) for key, value in said.items() if run.data.tags.get(key) != value]
    if lacking:
        client.log_batch(run.info.run_id, tags=lacking)


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
