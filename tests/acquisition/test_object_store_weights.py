"""Truth: the bytes that were put into a real S3 server."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from prunegap.acquisition.fetch import fetch_weights
from prunegap.acquisition.read import read_weights
from prunegap.errors import UserError

CONTENT = save({"weight": torch.arange(6.0)})
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def kept_in(cache: Path) -> list[str]:
    return [path.name for path in cache.rglob("*") if path.is_file()]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of an S3 server whose bucket ``weights`` holds ``nets/w.safetensors``."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="weights")
    client.put_object(Bucket="weights", Key="nets/w.safetensors", Body=CONTENT)
    yield f"http://{host}:{port}"
    client.close()
    server.stop()


@pytest.mark.usefixtures("s3")
def test_an_object_is_downloaded_and_checked(tmp_path: Path):
    path = fetch_weights("s3://weights/nets/w.safetensors", sha256=SHA256[:12], cache=tmp_path)
    assert path.read_bytes() == CONTENT
    assert read_weights(path)["weight"].tolist() == [0, 1, 2, 3, 4, 5]
    assert kept_in(tmp_path) == [path.name] == ["w.safetensors"]


@pytest.mark.usefixtures("s3")
def test_a_damaged_copy_is_fetched_again_and_another_sha256_is_refused(tmp_path: Path):
    uri = "s3://weights/nets/w.safetensors"
    fetch_weights(uri, sha256="", cache=tmp_path).write_bytes(b"damaged")
    assert fetch_weights(uri, sha256=SHA256, cache=tmp_path).read_bytes() == CONTENT
    with pytest.raises(UserError, match=f"{uri}: sha256 is {SHA256}, expected 00000000; "):
        fetch_weights(uri, sha256="0" * 8, cache=tmp_path)


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://weights/nets/none", "s3://weights/nets/none: no such object in the bucket 'weights'"),
        ("s3://nobucket/key", "s3://nobucket/key: no bucket 'nobucket' at http"),
        ("s3://weights", "names no object, expected s3://bucket/key"),
        ("s3://weights/nets/", "names no object, expected s3://bucket/key"),
    ],
)
def test_an_absent_object_is_named(uri, message, tmp_path: Path):
    with pytest.raises(UserError, match=message):
        fetch_weights(uri, sha256="", cache=tmp_path)
    assert kept_in(tmp_path) == []


def test_an_object_store_that_cannot_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UserError, match=r"s3://weights/key: .*127\.0\.0\.1:1.*; check AWS_ENDPOINT_URL.* or AWS_END"):
        fetch_weights("s3://weights/key", sha256="", cache=tmp_path)
