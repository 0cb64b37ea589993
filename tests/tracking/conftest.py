"""Sessions on the session's real servers (servers.py), or on one that a test may kill."""

import importlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow_server import Server
from tracking.mlflow_view import View

from prunegap.artifacts.identity import Identity
from prunegap.artifacts.manifest import seal, write_json
from prunegap.tracking.session import TrackingSession


@pytest.fixture
def tmp_path(tmp_path: Path, worker_id: str) -> Path:
    """A folder whose name is the test's own on a server that other workers log to as well."""
    own = tmp_path / f"{tmp_path.name}-{worker_id}"
    own.mkdir()
    return own


@pytest.fixture
def mortal_server(tmp_path, tables) -> Iterator[Server]:
    """Yield a tracking server of the test's own, to be killed and started again."""
    running = Server(tmp_path / "mortal", str(tmp_path / "mortal" / "files")).start(tables)
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """Let no setting of the caller decide where a test logs; wait for a slow server, not for a dead one."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KFP_RUN_ID", "KFP_RUN_URL", "PRUNEGAP_PIPELINE_RUN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3600")


@pytest.fixture
def dataset() -> Callable[[Path], Path]:
    """Return a function that seals a data set artifact's description."""

    def make(path: Path) -> Path:
        staging = path.with_name(path.name + ".partial")
        staging.mkdir(parents=True)
        groups = {"South Asian": 3, "(other)": 1}
        description = {
            "image_shape": [3, 8, 8],
            "class_names": ["a", "b"],
            "group_names": list(groups),
            "counts": {"train": {"examples": 4, "groups": groups}, "test": {"examples": 2, "groups": groups}},
        }
        write_json(staging / "dataset.json", description)
        seal(staging, path, kind="dataset", identity=Identity(), made_on={})
        return path

    return make


@pytest.fixture
def said():
    """Return the warnings of every session of the test."""
    return []


@pytest.fixture
def open_session(tmp_path, said):
    """Return a function that opens a session of the test's own workspace on an address."""
    return lambda uri: TrackingSession(
        tmp_path / "ws", uri, f"test-{tmp_path.name}", "paper", {"owner": "test"}, warn=said.append
    )


@pytest.fixture
def view(tmp_path):
    """Return a function that looks at the test's own experiment."""
    return lambda uri: View(uri, f"test-{tmp_path.name}")


@pytest.fixture
def on_server(server, view, tmp_path, monkeypatch) -> Iterator[Callable[[], View]]:
    """Log a run of the test's own experiment to the session's server; yield a function that looks at it."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(name, "")  # MLflow sets them; afterwards they are as they were
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow.pyfunc's own, while it is imported
        importlib.import_module("mlflow.models.evaluation.evaluator_registry")
    mlflow.set_tracking_uri(server.uri)
    with mlflow.start_run(experiment_id=mlflow.create_experiment(f"test-{tmp_path.name}")):
        yield lambda: view(server.uri)
    mlflow.set_tracking_uri("")
