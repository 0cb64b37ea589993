"""A real S3 server (moto's) and a user of it."""

from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from remote.s3_server import post


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """A fresh server with the bucket ``faces``, and the environment of a user of it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    post(server, "/moto-api/reset")
    store: Any = boto3.resource("s3", region_name="us-east-1")
    bucket = store.Bucket("faces")
    bucket.create()
    return bucket
