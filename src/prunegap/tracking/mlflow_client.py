"""MLflow's client: imported late, quiet, and impatient enough that a dead server does not hold a run."""

import logging
import os
import warnings
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.tracking.addresses import check_address, without_password
from prunegap.tracking.reasons import reason

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHECK_SECONDS = 10
DATABASE_PROBE = "/api/2.0/mlflow/experiments/search?max_results=1"
"""What is asked of a server: unlike ``/health`` it needs the database behind it."""
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Files go through the server: where it sends clients to otherwise, its store's own address, is its network's only.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


def connect(uri: str) -> "MlflowClient":
    """Return a client of ``uri``; a fresh sqlite file gets its tables here (about a second).

    The environment may set MLflow's retries, timeout and telemetry otherwise; by default two retries, thirty
    seconds, and nothing sent to MLflow's makers.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # MLflow 3.17 sets up its tables with a loader strategy that SQLAlchemy 2.1 deprecates.
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic", "urllib3.connectionpool"):
            logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # our one line says it
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def check_server(uri: str) -> None:
    """Ask an http(s) server for its experiments; any other address is only read.

    Raises:
        UserError: the address is broken, or the server is unreachable, refuses the host name (403) or the
            login (401), or answers anything else than MLflow does.
    """
    check_address(uri)
    if not uri.startswith(("http://", "https://")):
        return
    status = _status(uri)
    advice = {
        401: "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        403: "start it with --allowed-hosts naming this host and port, or check the login's permissions",
        404: "is that an MLflow server, and is the path right?",
    }
    if status != 200:
        hint = advice.get(status, "look at the server's log")
        raise UserError(f"tracking server {without_password(uri)} answers {status}: {hint}")


def _status(uri: str) -> int:
    connect(uri)
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        response = http_request(
            get_default_host_creds(uri),
            DATABASE_PROBE,
            "GET",
            max_retries=0,
            timeout=CHECK_SECONDS,
            raise_on_status=False,
        )
    except MlflowException as error:
        raise UserError(
            f"tracking server {without_password(uri)} cannot be reached ({reason(error)}): start it, correct "
            "--tracking-uri or MLFLOW_TRACKING_URI, or leave both out to track in the workspace"
        ) from None
    return response.status_code if response is not None else 0
