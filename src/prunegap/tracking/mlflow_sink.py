"""Records into MLflow: one parent run a pipeline run, a nested run a step, everything idempotent.

A run is found by its tags before one is created, metrics carry the time they were recorded at, and models
are found by run, name and digest: sending anything twice leaves one of it. A step that lost its spool, with its
container, sends again what its run already holds; such values are compared first and left out.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.tracking.mlflow_model import send_model
from prunegap.tracking.names import MetricNames, slug
from prunegap.tracking.records import Artifact, Begin, End, Input, Metrics, Model, Record
from prunegap.tracking.sole_run import find_run, sole_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

PARENT_TAG = "mlflow.parentRunId"
PIPELINE_RUN_TAG = "prunegap.pipeline_run"
STAGE_TAG = "prunegap.stage"
STEP_TAG = "prunegap.step"
CHANGED_TAG = "prunegap.changed"
GROUPS = "groups.json"
MAX_PARAMETERS = 100
MAX_VALUE = 6000


class MlflowSink:
    """Sends the steps of one pipeline run to one MLflow address.

    Args:
        client: client of ``uri``.
        uri: the address.
        experiment_id: experiment of all runs.
        tags: tags of every run; ``prunegap.pipeline_run`` among them identifies the pipeline run.
        parent: id of the parent run; None where a step stands alone.
        step_run: id of the run a step is told to log to; None to find or create a nested one.
        shared: other processes may start the same step at the same moment; they must end with one run.
    """

    def __init__(
        self,
        client: "MlflowClient",
        uri: str,
        *,
        experiment_id: str,
        tags: Mapping[str, str],
        parent: str | None,
        step_run: str | None = None,
        shared: bool = False,
    ) -> None:
        self.uri, self.parent = uri, parent
        self._client, self._experiment_id, self._tags = client, experiment_id, dict(tags)
        self._step_run, self._shared = step_run, shared
        self._renamed: dict[str, int] = {}
        self._there: dict[str, MetricsThere] = {}

    def open_step(self, begin: Begin) -> str:
        """Find the step's run by its tags, or create it below the parent, and return its id."""
        if self._step_run is not None:
            return self._step_run
        tags = {**self._tags, **begin.tags, STEP_TAG: begin.name}
        identity = {key: tags[key] for key in (PIPELINE_RUN_TAG, STEP_TAG) if key in tags}
        if self.parent is not None:
            identity[PARENT_TAG] = tags[PARENT_TAG] = self.parent

        def create() -> str:
            run = self._client.create_run(self._experiment_id, begin.time, tags=tags, run_name=begin.name)
            return run.info.run_id

        if len(identity) == 1:
            return create()
        if self._shared:
            return sole_run(self._client, self._experiment_id, identity, STEP_TAG, create).info.run_id
        found = find_run(self._client, self._experiment_id, identity)
        return found.info.run_id if found else create()

    def compare(self, run_id: str) -> None:
        """Leave out metrics that the run already holds, from a process whose spool is lost."""
        self._there[run_id] = MetricsThere(self._client, run_id)

    def send(self, run_id: str, records: Sequence[Record], names: MetricNames, folder: Path) -> None:
        """Send metrics (at most 1,000 values) or one other record to a step's run."""
        match records[0]:
            case Begin() as begin:
                self._begin(run_id, begin)
            case Metrics():
                self._metrics(run_id, [record for record in records if isinstance(record, Metrics)], names)
            case Input() as record:
                self._input(run_id, record)
            case Artifact(path, name):
                self._artifact(run_id, folder / path, name)
            case Model() as model:
                send_model(self._client, self._experiment_id, run_id, model, folder / model.path)
            case End(status, time):
                self._client.set_terminated(run_id, status, time)

    def end_pipeline(self, status: str) -> None:
        """Close the parent run."""
        if self.parent is not None:
            self._client.set_terminated(self.parent, status)

    def _begin(self, run_id: str, begin: Begin) -> None:
        from mlflow.entities import RunTag

        run = self._client.get_run(run_id)
        keys = MetricNames()
        said = {keys.slug(key): value[:MAX_VALUE] for key, value in begin.parameters.items()}
        known: Mapping[str, str] = run.data.params
        # MLflow refuses a second value of a parameter: the run keeps its first, a tag tells the latest.
        changed = {f"{CHANGED_TAG}.{key}": said[key] for key in said if known.get(key, said[key]) != said[key]}
        tags = {**self._tags, **begin.tags, **changed, STEP_TAG: begin.name}
        self._client.log_batch(run_id, tags=[RunTag(slug(key), value) for key, value in tags.items()])
        self._parameters(run_id, {key: value for key, value in said.items() if key not in known})
        if run.info.status != "RUNNING":
            self._client.update_run(run_id, status="RUNNING")

    def _parameters(self, run_id: str, new: Mapping[str, str], attempts: int = 3) -> None:
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        parameters = iter([Param(key, value) for key, value in new.items()])
        try:
            while part := list(islice(parameters, MAX_PARAMETERS)):
                self._client.log_batch(run_id, params=part)
        except MlflowException:
            # Another container of the same step may have logged some at the same moment.
            known = self._client.get_run(run_id).data.params
            if attempts == 1 or not new.keys() & known.keys():
                raise
            self._parameters(run_id, {key: new[key] for key in new if key not in known}, attempts - 1)

    def _metrics(self, run_id: str, records: Sequence[Metrics], names: MetricNames) -> None:
        from mlflow.entities import Metric

        batch = [
            Metric(names.slug(name), value, record.time, record.step)
            for record in records
            for name, value in record.metrics.items()
        ]
        if run_id in self._there:
            batch = [metric for metric in batch if not self._there[run_id].holds(metric)]
        self._client.log_batch(run_id, metrics=batch)
        if len(names.renamed) > self._renamed.get(run_id, 0):
            self._client.log_dict(run_id, names.renamed, GROUPS)
            self._renamed[run_id] = len(names.renamed)

    def _input(self, run_id: str, record: Input) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(record.name, record.digest, "local", record.source, record.schema, record.profile)
        self._client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", record.name)])])

    def _artifact(self, run_id: str, path: Path, name: str) -> None:
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), name)
            return
        target = Path(name)
        parent = None if target.parent == Path() else target.parent.as_posix()
        if path.name == target.name:
            self._client.log_artifact(run_id, str(path), parent)
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copyfile(path, Path(folder) / target.name)
            self._client.log_artifact(run_id, str(copy), parent)


class MetricsThere:
    """The metrics of a run as they were when a step took it up; the history of a metric is fetched once, if asked for.

    Args:
        client: client of the tracking address.
        run_id: the run.
    """

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._keys = set(client.get_run(run_id).data.metrics)
        self._points: dict[str, set[tuple[int, str]]] = {}

    def holds(self, metric: "Metric") -> bool:
        """Whether the run held this value of the metric at this epoch."""
        if metric.key not in self._keys:
            return False
        if metric.key not in self._points:
            history = self._client.get_metric_history(self._run_id, metric.key)
            self._points[metric.key] = {(point.step, repr(point.value)) for point in history}
        return (metric.step, repr(metric.value)) in self._points[metric.key]
