"""Weights from MLflow's model registry; MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI says which one."""

from pathlib import Path

from prunegap.acquisition.weights_file import weights_file
from prunegap.errors import UserError


def download_registered(uri: str, folder: Path) -> Path:
    """Download ``models:/name/version``, ``models:/name@alias`` or ``models:/model_id``; return its file of weights.

    Raises:
        UserError: no such model, version or alias, no one file of weights, or a registry that cannot be reached.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        download_artifacts(artifact_uri=uri, dst_path=str(folder))
    except MlflowException as error:
        raise UserError(
            f"{uri}: {error.message.splitlines()[0]} (models:/name/version or models:/name@alias; "
            "MLFLOW_TRACKING_URI says which registry)"
        ) from None
    return weights_file(folder)


def registered_version(uri: str) -> str:
    """Return the version that ``models:/name@alias`` (or any other name for one) stands for now.

    Raises:
        UserError: no such model or alias, or a registry that cannot be reached.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    name, _, alias = uri.removeprefix("models:/").partition("@")
    try:
        return str(MlflowClient().get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        raise UserError(f"{uri}: {error.message.splitlines()[0]}") from None
