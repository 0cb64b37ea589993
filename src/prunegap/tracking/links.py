"""Addresses of MLflow's pages, as its front end reads them: behind ``#``, and by default for language models.

MLflow 3.17 takes the kind of pages from ``workflowType`` in the address, else from what this browser chose last, else
it shows those for language models, which hold nothing of ours. The experiment's tag is for versions that read it.
"""

import os

from prunegap.tracking.addresses import without_password

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
WORKFLOW = "workflowType=machine_learning"
VIEW = "prunegap"
"""Key of the saved view of charts, see :mod:`prunegap.tracking.chart_view`."""
PAGES_VARIABLE = "PRUNEGAP_MLFLOW_PAGES"
"""Where a browser reaches the server, if that is another address than the one runs are sent to."""


def experiments_page(uri: str) -> str:
    """Return the page of a server's experiments."""
    return _page(uri, "experiments", WORKFLOW)


def experiment_page(uri: str, experiment_id: str) -> str:
    """Return the page of an experiment's runs."""
    return _page(uri, f"experiments/{experiment_id}/runs", WORKFLOW)


def charts_page(uri: str, experiment_id: str) -> str:
    """Return the page of an experiment's charts, in the saved view that a run with a result has."""
    query = f"{WORKFLOW}&compareRunsMode=CHART&viewStateShareKey={VIEW}"
    return _page(uri, f"experiments/{experiment_id}/runs", query)


def run_page(uri: str, experiment_id: str, run_id: str) -> str:
    """Return the page of a run."""
    return _page(uri, f"experiments/{experiment_id}/runs/{run_id}", WORKFLOW)


def _page(uri: str, route: str, query: str) -> str:
    address = without_password(os.environ.get(PAGES_VARIABLE) or uri)
    return f"{address.rstrip('/')}/#/{route}?{query}"
