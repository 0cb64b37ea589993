"""What the environment of a container says about the pipeline run that it is part of."""

import os

PIPELINE_RUN_VARIABLE = "PRUNEGAP_PIPELINE_RUN"
KUBEFLOW_RUN_VARIABLE = "KFP_RUN_ID"


def pipeline_run_id() -> str | None:
    """Return the identifier that all steps of a pipeline run share; None where a step stands alone."""
    return os.environ.get(PIPELINE_RUN_VARIABLE) or os.environ.get(KUBEFLOW_RUN_VARIABLE) or None
