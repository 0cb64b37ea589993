"""Records into MLflow: one parent run a pipeline run, a nested run a step, everything idempotent.

A run is found by its tags before one is created, metrics carry the time they were recorded at, and models
are found by run, name and digest: sending anything twice leaves one of it.
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

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT_TAG = "mlflow.parentRunId"
PIPELINE_RUN_TAG = "prunegap.pipeline_run"
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
    ) -> None:
        self.uri, self.parent = uri, parent
        self._client, self._experiment_id, self._tags = client, experiment_id, dict(tags)
        self._step_run = step_run
        self._renamed: dict[str, int] = {}

    def open_step(self, begin: Begin) -> str:
        """Find the step's run by its tags, or create it below the parent, and return its id."""
        if self._step_run is not None:
            return self._step_run
        tags = {**self._tags, **begin.tags, STEP_TAG: begin.name}
        identity = {key: tags[key] for key in (PIPELINE_RUN_TAG, STEP_TAG) if key in tags}
        if self.parent is not None:
            identity[PARENT_TAG] = tags[PARENT_TAG] = self.parent
        found = find_run(self._client, self._experiment_id, identity) if len(identity) > 1 else None
        if found is not None:
            return found
        run = self._client.create_run(self._experiment_id, begin.time, tags=tags, run_name=begin.name)
        return run.info.run_id

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
        from mlflow.entities import Param, RunTag

        run = self._client.get_run(run_id)
        keys = MetricNames()
        said = {keys.slug(key): value[:MAX_VALUE] for key, value in begin.parameters.items()}
        known: Mapping[str, str] = run.data.params
        # MLflow refuses a second value of a parameter: the run keeps its first, a tag tells the latest.
        changed = {f"{CHANGED_TAG}.{key}": said[key] for key in said if known.get(key, said[key]) != said[key]}
        tags = {**self._tags, **begin.tags, **changed, STEP_TAG: begin.name}
        self._client.log_batch(run_id, tags=[RunTag(slug(key), value) for key, value in tags.items()])
        new = iter([Param(key, value) for key, value in said.items() if key not in known])
        while part := list(islice(new, MAX_PARAMETERS)):
            self._client.log_batch(run_id, params=part)
        if run.info.status != "RUNNING":
            self._client.update_run(run_id, status="RUNNING")

    def _metrics(self, run_id: str, records: Sequence[Metrics], names: MetricNames) -> None:
        from mlflow.entities import Metric

        batch = [
            Metric(names.slug(name), value, record.time, record.step)
            for record in records
            for name, value in record.metrics.items()
        ]
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


def find_run(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> str | None:
    """Return the id of the run that has all these tags and was not deleted, or None."""
    conditions = " and ".join(f"tags.`{key}` = {quoted(value)}" for key, value in tags.items())
    runs = client.search_runs([experiment_id], conditions, max_results=1)
    return runs[0].info.run_id if runs else None


def quoted(value: str) -> str:
    """Return a value as MLflow's search language quotes it."""
    return f'"{value}"' if "'" in value else f"'{value}'"
