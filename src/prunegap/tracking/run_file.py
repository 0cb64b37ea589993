"""A file of an MLflow run on this machine, from its address ``runs:/RUN_ID/path``."""

import os
import tempfile
from pathlib import Path

from prunegap.errors import UserError
from prunegap.tracking.addresses import without_password
from prunegap.tracking.mlflow_client import check_server, connect
from prunegap.tracking.reasons import reason

SCHEME = "runs:/"
ADDRESS = "MLFLOW_TRACKING_URI"


def is_run_file(location: str) -> bool:
    """Whether a location is the address of a run's file."""
    return location.startswith(SCHEME)


def run_file(location: str) -> Path:
    """Download a file of a run into a folder of its own, which is the caller's to keep.

    Raises:
        UserError: an address of another form, no server named, or one that has no such run or file.
    """
    run_id, _, path = location.removeprefix(SCHEME).partition("/")
    if not run_id or not path:
        raise UserError(f"{location}: must be runs:/RUN_ID/path of a file of the run")
    uri = os.environ.get(ADDRESS, "")
    if not uri:
        raise UserError(f"{location}: set {ADDRESS} to the MLflow that has the run")
    check_server(uri)
    from mlflow.exceptions import MlflowException

    try:
        found = Path(connect(uri).download_artifacts(run_id, path, tempfile.mkdtemp(prefix="prunegap-")))
    except (MlflowException, OSError) as error:
        raise UserError(f"{location}: MLflow at {without_password(uri)}: {reason(error)}") from None
    if found.is_dir():
        raise UserError(f"{location}: is a folder of the run, an audit needs one file")
    return found
