"""Truth: weights that are replaced behind a real file, HTTP server, S3 server and MLflow registry."""

import functools
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from prunegap.acquisition.weights_identity import weights_identity
from prunegap.digests import UNKNOWN


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Yield the address of a server of the folder; it says when a file was changed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def identity(source: str) -> str:
    (digest,) = weights_identity(source, "").values()
    return digest


def test_a_file_counts_by_its_content(tmp_path: Path):
    file = tmp_path / "net.pt"
    file.write_bytes(b"one")
    before = identity(str(file))
    os.utime(file, (1, 1))
    assert identity(f"file://{file}") == before
    file.write_bytes(b"two")
    assert identity(str(file)) not in {before, UNKNOWN}
    assert list(weights_identity(str(file), "")) == ["weights net.pt"]


def test_a_model_of_ours_counts_by_its_weights_and_its_meaning(tmp_path: Path):
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "model.json").write_text("cats, dogs")
    before = identity(str(tmp_path))
    (tmp_path / "model.json").write_text("dogs, cats")
    assert identity(str(tmp_path)) not in {before, UNKNOWN}


def test_a_file_on_the_web_counts_by_what_its_server_says(web: str, tmp_path: Path):
    file = tmp_path / "net.pt"
    file.write_bytes(b"one")
    os.utime(file, (1_000_000, 1_000_000))
    before = identity(f"{web}/net.pt")
    assert identity(f"{web}/net.pt") == before != UNKNOWN
    os.utime(file, (2_000_000, 2_000_000))
    assert identity(f"{web}/net.pt") not in {before, UNKNOWN}
    secret = weights_identity(f"{web.replace('127', 'me:word@127')}/net.pt?token=1", "")
    assert list(secret) == ["weights net.pt"]


def test_an_object_counts_by_its_etag(monkeypatch: pytest.MonkeyPatch):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "ENDPOINT_URL": f"http://{host}:{port}",
        "ACCESS_KEY_ID": "k",
        "SECRET_ACCESS_KEY": "s",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="weights")
    found = []
    for content in (b"one", b"two"):
        client.put_object(Bucket="weights", Key="net.pt", Body=content)
        found.append(identity("s3://weights/net.pt"))
    client.close()
    server.stop()
    assert found[0] != found[1]
    assert UNKNOWN not in found


def test_what_cannot_be_looked_at_is_unknown(web: str, tmp_path: Path):
    for source in (str(tmp_path / "none.pt"), f"{web}/none.pt", "http://127.0.0.1:9/net.pt"):
        assert identity(source) == UNKNOWN


@pytest.mark.parametrize("source", ["torchvision:ResNet18_Weights.DEFAULT", "models:/net/3", "models:/m-0123"])
def test_what_a_name_tells_for_good_needs_no_look(source: str):
    assert weights_identity(source, "") == {}
    assert weights_identity("http://127.0.0.1:9/net.pt", "0123abcd") == {}


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_an_alias_counts_by_the_version_it_stands_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    client = MlflowClient()
    client.create_registered_model("net")
    found = []
    for version in ("1", "2"):
        client.create_model_version("net", (tmp_path / version).as_uri())
        client.set_registered_model_alias("net", "good", version)
        found.append(identity("models:/net@good"))
    assert found == ["1", "2"]
    assert identity("models:/net@bad") == UNKNOWN
