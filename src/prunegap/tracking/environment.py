"""What the environment of a container says about the pipeline run that it is part of."""

import os
import re

PIPELINE_RUN_VARIABLE = "PRUNEGAP_PIPELINE_RUN"
WORKSPACE_VARIABLE = "PRUNEGAP_WORKSPACE"
KUBEFLOW_RUN_VARIABLE = "KFP_RUN_ID"
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


def pipeline_run_id() -> str | None:
    """Return the identifier that all steps of a pipeline run share; None where a step stands alone."""
    return os.environ.get(PIPELINE_RUN_VARIABLE) or os.environ.get(KUBEFLOW_RUN_VARIABLE) or None


def experiment_name() -> str:
    """Return the name of the MLflow experiment that steps in containers log to."""
    return os.environ.get(EXPERIMENT_VARIABLE) or "prunegap"


def pipeline_run_name(pipeline_run: str) -> str:
    """Return a name a person can read: the identifier, or for a UUID the experiment and its first eight characters."""
    return f"{experiment_name()}-{pipeline_run[:8]}" if _UUID.fullmatch(pipeline_run) else pipeline_run
