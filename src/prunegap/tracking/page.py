"""MLflow's pages on a workspace's own store."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from prunegap.errors import UserError
from prunegap.tracking.addresses import ARTIFACTS, DATABASE, workspace_uri
from prunegap.tracking.links import experiment_page, experiments_page
from prunegap.tracking.mlflow_client import DATABASE_PROBE, connect
from prunegap.tracking.own_store import keep_files_here
from prunegap.tracking.workspace_run import read_workspace_run

HOST = "127.0.0.1"
START_SECONDS = 180


def serve_ui(workspace: Path, port: int, announce: Callable[[str], object] = sys.stdout.write) -> None:
    """Serve MLflow's pages on the workspace's sqlite file until interrupted; say the URL once they answer.

    Raises:
        UserError: no sqlite file there, the port is taken, or MLflow's server does not start.
    """
    if not (workspace / DATABASE).is_file():
        raise UserError(f"{workspace}: no {DATABASE} there; name the workspace of a run tracked without a server")
    keep_files_here(workspace)
    _check_port(port)
    url = f"http://{HOST}:{port}"
    with subprocess.Popen(_command(workspace, port), env=_environment(), stdout=subprocess.DEVNULL) as server:  # noqa: S603
        try:
            _wait_until_healthy(server, url)
            announce(f"MLflow on {workspace}: {_page(workspace, url)} (Ctrl-C ends it)\n")
            server.wait()
        except KeyboardInterrupt:
            pass
        finally:
            server.terminate()


def _page(workspace: Path, url: str) -> str:
    """Return the page of the workspace's runs, or of all experiments where it does not say which one they are in."""
    run = read_workspace_run(workspace)
    found = connect(url).get_experiment_by_name(run.experiment) if run else None
    return experiment_page(url, found.experiment_id) if found else experiments_page(url)


def _command(workspace: Path, port: int) -> list[str]:
    store = ["--backend-store-uri", workspace_uri(workspace)]
    files = ["--default-artifact-root", (workspace / ARTIFACTS).resolve().as_uri()]
    where = ["--host", HOST, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *store, *files, *where]


def _environment() -> dict[str, str]:
    # MLflow's job runners (eight processes, half of the start) are for its language-model pages.
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**settings, "MLFLOW_LOGGING_LEVEL": "ERROR", **os.environ}


def _check_port(port: int) -> None:
    if not 0 < port < 65536:
        raise UserError(f"port must be between 1 and 65535, got {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from None


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UserError(f"MLflow's server ended with code {server.returncode} before it answered at {url}")
        try:
            with urlopen(f"{url}{DATABASE_PROBE}", timeout=20):  # noqa: S310 - our own server
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise UserError(f"MLflow's server did not answer at {url} within {START_SECONDS} s")
