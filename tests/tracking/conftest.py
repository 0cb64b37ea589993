"""Real servers over real sockets: MLflow (sqlite, artifacts proxied to S3) and moto's S3, once a session.

The server allows the host name 127.0.0.1 only, so that ``localhost`` meets its real 403.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow_server import Server, wait_for
from tracking.mlflow_view import View, free_port

from prunegap.artifacts.identity import Identity
from prunegap.artifacts.manifest import seal, write_json
from prunegap.tracking.session import TrackingSession

BUCKET = "tracking"


@pytest.fixture(scope="session", autouse=True)
def bytecode(tmp_path_factory) -> Iterator[None]:
    """Let child processes keep compiled modules: a server's second start takes a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


@pytest.fixture(scope="session")
def s3(tmp_path_factory) -> Iterator[str]:
    """Yield the address of an S3 server."""
    port, log = free_port(), tmp_path_factory.mktemp("s3") / "server.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def bucket(s3):
    """Return a function that reads every file of the bucket that holds the server's artifacts."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3, **keys)
    client.create_bucket(Bucket=BUCKET)

    def files() -> dict[str, bytes]:
        found = [item["Key"] for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in found}

    return files


@pytest.fixture(scope="session")
def server(s3, bucket, tmp_path_factory) -> Iterator[Server]:
    """Yield a running tracking server whose artifacts go to S3."""
    environment = {
        "MLFLOW_S3_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    running = Server(tmp_path_factory.mktemp("mlflow"), f"s3://{BUCKET}/artifacts", environment).start()
    yield running
    running.kill()


@pytest.fixture
def mortal_server(tmp_path) -> Iterator[Server]:
    """Yield a tracking server of the test's own, to be killed and started again."""
    running = Server(tmp_path / "mortal", str(tmp_path / "mortal" / "files")).start()
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """Let no setting of the caller decide where a test logs, and do not wait long for dead servers."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KFP_RUN_ID", "KFP_RUN_URL", "PRUNEGAP_PIPELINE_RUN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


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
