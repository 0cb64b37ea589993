"""A model that a gate let pass, as a version of a registered model in MLflow, with an alias that names it."""

from collections.abc import Mapping

from prunegap.errors import UserError
from prunegap.tracking.addresses import without_password
from prunegap.tracking.mlflow_client import check_server, connect
from prunegap.tracking.mlflow_model import DIGEST_TAG, models_with
from prunegap.tracking.reasons import reason


def admit_version(uri: str, *, digest: str, name: str, alias: str, tags: Mapping[str, str]) -> str:
    """Give a logged model the alias; it becomes a version of the registered model unless it is one already.

    Args:
        uri: address of MLflow.
        digest: of the model artifact, which says which logged model it is.
        name: of the registered model, made if there is none.
        alias: that the version gets; an older version loses it.
        tags: that the version gets.

    Returns:
        The version.

    Raises:
        UserError: MLflow cannot be reached or has no such model, or refuses a name.
    """
    from mlflow.exceptions import MlflowException

    check_server(uri)
    client = connect(uri)
    try:
        experiments = [one.experiment_id for one in client.search_experiments()]
        models = [one for id_ in experiments for one in models_with(client, id_, {DIGEST_TAG: digest})]
        if not models:
            raise UserError(
                f"MLflow at {without_password(uri)} has no model of digest {digest[:12]}; prunegap upload sends it"
            )
        if not client.search_registered_models(filter_string=f"name = '{name}'"):
            client.create_registered_model(name)
        source = models[0]
        versions = client.search_model_versions(f"name = '{name}'")
        version = next((one for one in versions if one.tags.get(DIGEST_TAG) == digest), None)
        if version is None:
            version = client.create_model_version(
                name, source=f"models:/{source.model_id}", model_id=source.model_id, tags={DIGEST_TAG: digest}
            )
        for key, value in tags.items():
            client.set_model_version_tag(name, version.version, key, value)
        client.set_registered_model_alias(name, alias, version.version)
    except MlflowException as error:
        raise UserError(f"MLflow at {without_password(uri)}: {reason(error)}") from None
    return str(version.version)
