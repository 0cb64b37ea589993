"""A model artifact as MLflow's LoggedModel: all files as they are, masks included, and no pickle flavour."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunegap.artifacts.manifest import MANIFEST
from prunegap.tracking.inputs import artifact_digest
from prunegap.tracking.names import MetricNames, flatten
from prunegap.tracking.records import Model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

DIGEST_TAG = "prunegap.digest"
MAX_VALUE = 6000
_REFUSED_IN_NAMES = str.maketrans(dict.fromkeys("/:.%\"'", "_"))


def send_model(client: "MlflowClient", experiment_id: str, run_id: str, model: Model, artifact: Path) -> None:
    """Send a model artifact and its metrics to a run.

    The same content under the same name is one logged model of the run, however often it is sent. A record
    whose content was replaced since, by a step that ran again, is passed over: a later record tells of it.
    """
    from mlflow.entities import Metric

    if (artifact_digest(artifact) or "") != model.digest:
        return
    logged = _find(client, experiment_id, run_id, model)
    if logged is None:
        logged = _create(client, experiment_id, run_id, model, artifact)
    if str(logged.status) != "READY":
        client.log_model_artifacts(logged.model_id, str(artifact))
        client.finalize_logged_model(logged.model_id, "READY")
    _link(client, run_id, logged.model_id)
    names = MetricNames()
    metrics = [
        Metric(names.slug(name), value, model.time, 0, model_id=logged.model_id, run_id=run_id)
        for name, value in model.metrics.items()
    ]
    if metrics:
        client.log_batch(run_id, metrics=metrics)


def _find(client: "MlflowClient", experiment_id: str, run_id: str, model: Model) -> "LoggedModel | None":
    condition = f"source_run_id = '{run_id}' AND name = '{model.name.translate(_REFUSED_IN_NAMES)}'"
    found = client.search_logged_models([experiment_id], filter_string=condition)
    return next((logged for logged in found if logged.tags.get(DIGEST_TAG) == model.digest), None)


def _create(client: "MlflowClient", experiment_id: str, run_id: str, model: Model, artifact: Path) -> "LoggedModel":
    manifest = _manifest(artifact)
    keys = MetricNames()
    kind = str(manifest.get("kind", "model"))
    parameters = flatten(manifest.get("identity", {}).get("parameters", {}))
    return client.create_logged_model(
        experiment_id,
        name=model.name.translate(_REFUSED_IN_NAMES),
        source_run_id=run_id,
        tags={DIGEST_TAG: model.digest, "prunegap.kind": kind},
        params={keys.slug(key): value[:MAX_VALUE] for key, value in parameters.items()},
        model_type=kind,
    )


def _manifest(artifact: Path) -> dict[str, Any]:
    path = artifact / MANIFEST
    return json.loads(path.read_text()) if path.is_file() else {}


def _link(client: "MlflowClient", run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    outputs = client.get_run(run_id).outputs
    linked = {output.model_id for output in outputs.model_outputs} if outputs else set[str]()
    if model_id not in linked:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
