"""Runs in MLflow: one is found by its tags before it is created, and nothing is written to it twice."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunegap.artifacts.comparison import Comparison
from prunegap.tracking.inputs import dataset_input
from prunegap.tracking.mlflow_model import DIGEST_TAG, models_with, sent_model
from prunegap.tracking.names import MetricNames, grouping_of, model_name, slug
from prunegap.tracking.overview import describe
from prunegap.tracking.tracked_step import RUNNING, Step
from prunegap.tracking.tracker import MAX_BATCH, Point

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
PIPELINE_RUN_TAG = "prunegap.pipeline_run"
STAGE_TAG = "prunegap.stage"
STEP_TAG = "prunegap.step"
BEGAN_TAG = "prunegap.began"
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
        self._run, self._lacking, self._data = run, False, dict[str, str]()
        self._there = MetricsThere(client, run) if taken_up else None
        self._names = MetricNames(self._renamed_before(run) if taken_up else {})
        self._renamed = len(self._names.renamed)

    def begin(self, run: "Run", step: Step, tags: Mapping[str, str]) -> None:
        """Bring tags and parameters up to date, and open the run again if it was closed."""
        from mlflow.entities import Param

        keys = MetricNames()
        # MLflow's pages group by parameters, not by tags; what is both is one.
        named = {**grouping_of(step.tags), **step.parameters}
        said = {keys.slug(key): value[:MAX_VALUE] for key, value in named.items()}
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
        self._run.data.tags.update(tags)

    def log_points(self, points: Sequence[Point]) -> None:
        """Write at most 1,000 values, those that are not there."""
        from mlflow.entities import Metric

        named = [(self._names.slug(point.name), point) for point in points]
        metrics = [
            Metric(key, point.value, point.time, point.epoch)
            for key, point in named
            if self._there is None or self._there.time_of(key, point) is None
        ]
        # Real names first: who takes up a run that holds more points than names would name those anew.
        if len(self._names.renamed) > self._renamed:
            self._client.log_dict(self._run_id, self._names.renamed, GROUPS)
            self._renamed = len(self._names.renamed)
        self._client.log_batch(self._run_id, metrics=metrics)

    def log_input(self, name: str, folder: Path) -> None:
        """Note a data set."""
        given = dataset_input(name, folder)
        self._data = {"dataset_name": given.dataset.name, "dataset_digest": given.dataset.digest}
        self._client.log_inputs(self._run_id, [given])

    def log_files(self, name: str, folder: Path) -> None:
        """Attach a folder."""
        self._client.log_artifacts(self._run_id, str(folder), name)

    def log_model(self, folder: Path, points: Sequence[Point]) -> None:
        """Keep a model that this step trained, with what was measured of it."""
        name = model_name(self._run.data.tags.get(NAME_TAG) or self._run.info.run_name or self._run_id)
        tags = {key: value for key, value in self._run.data.tags.items() if key == PIPELINE_RUN_TAG}
        model = sent_model(self._client, self._run, name, folder, tags)
        self._log_model_points(model, points)

    def log_model_metrics(self, digest: str, points: Sequence[Point]) -> None:
        """Give numbers to the model with this digest that the same pipeline run trained.

        Where it is not there (yet: the server was down), the step counts as not wholly told.
        """
        tags = {key: value for key, value in self._run.data.tags.items() if key == PIPELINE_RUN_TAG}
        models = models_with(self._client, self._experiment_id, tags | {DIGEST_TAG: digest})
        if models:
            self._log_model_points(models[0], points)
        else:
            self._lacking = bool(tags)

    def log_result(self, result: Comparison, folder: Path, points: Sequence[Point]) -> None:
        """Show the result of the pipeline run in its parent run; where there is none (yet), as above."""
        parent = self._run.data.tags.get(PARENT_TAG)
        if parent is None:
            self._lacking = PIPELINE_RUN_TAG in self._run.data.tags
            return
        run = self._client.get_run(parent)
        MlflowStepRun(self._client, run, taken_up=True).log_points(points)
        describe(self._client, run, result, folder)

    def _log_model_points(self, model: "LoggedModel", points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        known = {(metric.key, stored(metric.value)) for metric in model.metrics or []}
        of: Mapping[str, Any] = {"model_id": model.model_id, "run_id": self._run_id, **self._data}
        metrics: list[Metric] = []
        for point in points:
            key = self._names.slug(point.name)
            if (key, stored(point.value)) not in known:
                # What a model is told its run is told too: a point that the run holds keeps its time, and stays one.
                time = self._there.time_of(key, point) if self._there else None
                metrics.append(Metric(key, point.value, point.time if time is None else time, point.epoch, **of))
        for start in range(0, len(metrics), MAX_BATCH):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + MAX_BATCH])

    def end(self, step: Step, told: str) -> None:
        """Close the run; ``told`` is the digest of all that it was told of."""
        self._client.set_tag(self._run_id, TOLD_TAG, "" if self._lacking else told)
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
        self._times: dict[str, dict[tuple[int, str], int]] = {}

    def time_of(self, key: str, point: Point) -> int | None:
        """Return when the run was told this value of a metric at this epoch, in milliseconds; None if it was not."""
        if key not in self._keys:
            return None
        if key not in self._times:
            history = self._client.get_metric_history(self._run_id, key)
            self._times[key] = {(held.step, stored(held.value)): held.timestamp for held in history}
        return self._times[key].get((point.epoch, stored(point.value)))


def stored(value: float) -> str:
    """Return a metric's value as a tracking store keeps it, printed: for an infinite one the largest there is."""
    return repr(max(-sys.float_info.max, min(value, sys.float_info.max)) if value == value else value)  # noqa: PLR0124


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
    """Return the run with these tags, and whether it was there; of two created at one moment the older one stays.

    An answer that is lost on its way makes the client create a run once more: what began at the same millisecond as
    the one that stays is such a double, and is deleted whenever it is met.
    """
    first, *others = [*find_runs(client, experiment_id, identity)] or [None]
    if first is None:
        mine = create()
        first, *others = [*find_runs(client, experiment_id, identity)] or [mine]
        taken_up = first.info.run_id != mine.info.run_id
        others = [run for run in others if run.info.run_id == mine.info.run_id or _twins(run, mine)]
    else:
        taken_up = True
        others = [run for run in others if _twins(run, first)]
    for double in others:
        client.delete_run(double.info.run_id)
    return first, taken_up


def _twins(run: "Run", other: "Run") -> bool:
    return run.info.start_time == other.info.start_time


def add_tags(client: "MlflowClient", run: "Run", tags: Mapping[str, str]) -> None:
    """Give a run the tags it lacks."""
    from mlflow.entities import RunTag

    said = {slug(key): value for key, value in tags.items()}
    lacking = [RunTag(key, value) for key, value in said.items() if run.data.tags.get(key) != value]
    if lacking:
        client.log_batch(run.info.run_id, tags=lacking)


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
