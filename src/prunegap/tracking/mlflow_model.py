"""A model artifact as MLflow's LoggedModel: all files as they are, masks included, and no pickle flavour."""

from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.artifacts.manifest import manifest_at
from prunegap.tracking.names import MetricNames, flatten

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

DIGEST_TAG = "prunegap.digest"
MAX_VALUE = 6000
_REFUSED_IN_NAMES = str.maketrans(dict.fromkeys("/:.%\"'", "_"))


def sent_model(client: "MlflowClient", run_id: str, name: str, folder: Path, *, experiment_id: str) -> "LoggedModel":
    """Send a model artifact to a run; the same content under the same name is one logged model, however often sent."""
    manifest, name = manifest_at(folder), name.translate(_REFUSED_IN_NAMES)
    condition = f"source_run_id = '{run_id}' AND name = '{name}'"

    def same() -> "list[LoggedModel]":
        found = client.search_logged_models([experiment_id], filter_string=condition)
        alike = [one for one in found if one.tags.get(DIGEST_TAG) == manifest.digest]
        return sorted(alike, key=lambda one: (str(one.status) != "READY", one.model_id))

    if not (models := same()):
        keys, parameters = MetricNames(), flatten(manifest.identity.parameters)
        client.create_logged_model(
            experiment_id,
            name=name,
            source_run_id=run_id,
            tags={DIGEST_TAG: manifest.digest, "prunegap.kind": manifest.kind},
            params={keys.slug(key): value[:MAX_VALUE] for key, value in parameters.items()},
            model_type=manifest.kind,
        )
        models = same()
    model, *doubles = models
    for double in doubles:  # the client creates a model once more where the answer to the first time was lost
        client.delete_logged_model(double.model_id)
    if str(model.status) != "READY":
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
    _link(client, run_id, model.model_id)
    return model


def _link(client: "MlflowClient", run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    outputs = client.get_run(run_id).outputs
    linked = {output.model_id for output in outputs.model_outputs} if outputs else set[str]()
    if model_id not in linked:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
