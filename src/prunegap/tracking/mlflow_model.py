"""A model artifact as MLflow's LoggedModel: all files as they are, masks included, and what MLflow loads it by."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.artifacts.manifest import manifest_at
from prunegap.tracking.names import MetricNames, flatten
from prunegap.tracking.served_model import write_flavor

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

DIGEST_TAG = "prunegap.digest"
MAX_VALUE = 6000


def sent_model(client: "MlflowClient", run: "Run", name: str, folder: Path, tags: Mapping[str, str]) -> "LoggedModel":
    """Send a model artifact to the run that trained it; the same content is one logged model of it, however often sent.

    Args:
        client: client of the tracking address.
        run: it hangs on this run.
        name: of the model, as a person knows it.
        folder: of the sealed artifact.
        tags: beside its digest and kind.
    """
    manifest, run_id = manifest_at(folder), run.info.run_id
    identity = {DIGEST_TAG: manifest.digest}

    def same() -> "list[LoggedModel]":
        return models_with(client, run.info.experiment_id, identity, run_id)

    if not (models := same()):
        keys, parameters = MetricNames(), flatten(manifest.identity.parameters)
        client.create_logged_model(
            run.info.experiment_id,
            name=name,
            source_run_id=run_id,
            tags={**tags, **identity, "prunegap.kind": manifest.kind},
            params={keys.slug(key): value[:MAX_VALUE] for key, value in parameters.items()},
            model_type=manifest.kind,
        )
        models = same()
    model, *doubles = models
    for double in doubles:  # the client creates a model once more where the answer to the first time was lost
        client.delete_logged_model(double.model_id)
    if str(model.status) != "READY":
        with tempfile.TemporaryDirectory() as scratch:
            write_flavor(Path(scratch), folder, model)
            client.log_model_artifacts(model.model_id, scratch)
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
    _link(client, run_id, model.model_id)
    return model


def models_with(
    client: "MlflowClient", experiment_id: str, tags: Mapping[str, str], run_id: str = ""
) -> "list[LoggedModel]":
    """Return the logged models that have all these tags, those that are ready first; ``run_id``: only that run's."""
    conditions = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    conditions += [f"source_run_id = '{run_id}'"] if run_id else []
    found = client.search_logged_models([experiment_id], filter_string=" AND ".join(conditions))
    return sorted(found, key=lambda one: (str(one.status) != "READY", one.model_id))


def _link(client: "MlflowClient", run_id: str, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    outputs = client.get_run(run_id).outputs
    linked = {output.model_id for output in outputs.model_outputs} if outputs else set[str]()
    if model_id not in linked:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
