"""Real servers over real sockets, one of each a session: moto's S3, and MLflow (sqlite, its artifacts in that S3).

MLflow allows the host name 127.0.0.1 only, so that ``localhost`` meets its real 403.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow_server import Server, wait_for
from ports import free_port
from shared import lent, once, shared_folder

BUCKET = "tracking"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
_begun: list[subprocess.Popen] = []  # nobody waits for what another worker may end


def _note(uri: str, process: subprocess.Popen) -> str:
    _begun.append(process)
    return json.dumps({"uri": uri, "group": process.pid})


def _kill(note: str) -> None:
    with suppress(ProcessLookupError):
        os.killpg(json.loads(note)["group"], signal.SIGKILL)


def _begin_s3(folder: Path) -> str:
    port, log = free_port(), folder / "server.log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    wait_for(f"http://127.0.0.1:{port}/moto-api/", process, log)
    return _note(f"http://127.0.0.1:{port}", process)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of an S3 server."""
    with lent(shared_folder(tmp_path_factory) / "s3", _begin_s3, _kill) as note:
        yield json.loads(note)["uri"]


@pytest.fixture(scope="session")
def bucket(s3: str) -> Callable[[], dict[str, bytes]]:
    """Return a function that reads every file of the bucket that holds the server's artifacts."""
    import boto3

    keys = {key.lower(): value for key, value in KEYS.items() if "REGION" not in key}
    client = boto3.client("s3", endpoint_url=s3, region_name=KEYS["AWS_DEFAULT_REGION"], **keys)
    client.create_bucket(Bucket=BUCKET)

    def files() -> dict[str, bytes]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        found = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in found}

    return files


def _make_tables(folder: Path) -> None:
    from prunegap.tracking.mlflow_client import connect

    connect(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return MLflow's sqlite file with all its tables and nothing in them, to be copied: making them takes seconds."""
    return once(shared_folder(tmp_path_factory) / "tables", _make_tables) / "mlflow.db"


@pytest.fixture(scope="session")
def server(
    s3: str, bucket: object, tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """Yield the running tracking server whose artifacts go to S3; its address is ``uri``."""

    def begin(folder: Path) -> str:
        running = Server(folder, f"s3://{BUCKET}/artifacts", {"MLFLOW_S3_ENDPOINT_URL": s3, **KEYS}).start(tables)
        return _note(running.uri, running.process)

    with lent(shared_folder(tmp_path_factory) / "mlflow", begin, _kill) as note:
        yield SimpleNamespace(uri=json.loads(note)["uri"])
