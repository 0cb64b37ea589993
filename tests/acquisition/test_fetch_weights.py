"""Truth: the bytes that were put behind a real HTTP server, and torchvision's own addresses."""

import hashlib
import os
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import save

from prunegap.acquisition.fetch import fetch_weights
from prunegap.artifacts.model import save_model
from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.spec import ModelSpec

CONTENT = save({"weight": torch.arange(6.0)})
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class FileServer(ThreadingHTTPServer):
    """Holds files by path, and what was asked of it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Files)
        self.files = {"/w.safetensors": CONTENT, "/broken.pt": CONTENT, "/": CONTENT}
        self.requests: list[str] = []
        self.logins: list[str | None] = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Files(BaseHTTPRequestHandler):
    """Serves ``files`` of its server; ``/broken`` announces more bytes than it sends; counts requests."""

    def do_GET(self) -> None:
        server = cast("FileServer", self.server)
        server.requests.append(self.path)
        server.logins.append(self.headers.get("Authorization"))
        path = self.path.partition("?")[0]
        if path == "/moved.pt":
            self.send_response(302)
            self.send_header("Location", "/w.safetensors")
            self.end_headers()
            return
        content = server.files.get(path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + (1000 if path == "/broken.pt" else 0)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output quiet."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def kept_in(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir()] if cache.exists() else []


@pytest.mark.parametrize("digits", ["", SHA256, SHA256[:8], SHA256[:20].upper(), f" {SHA256}\n"])
def test_a_local_file_is_used_where_it_is(digits, tmp_path: Path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(CONTENT)
    assert fetch_weights(str(path), sha256=digits, cache=tmp_path / "cache") == path
    assert fetch_weights(f"file://{path}", sha256=digits, cache=tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()


def test_another_sha256_is_refused_with_both(tmp_path: Path):
    (tmp_path / "w").write_bytes(CONTENT)
    wrong = "0" * 8
    with pytest.raises(UserError, match=f"w: sha256 is {SHA256}, expected {wrong}; "):
        fetch_weights(str(tmp_path / "w"), sha256=wrong, cache=tmp_path)


@pytest.mark.parametrize("digits", ["1234567", "xyzxyzxy", "0" * 65])
def test_a_sha256_that_is_none_is_refused(digits, tmp_path: Path):
    with pytest.raises(UserError, match=f"sha256 must be 8 to 64 hexadecimal digits .*, got '{digits}'"):
        fetch_weights(str(tmp_path), sha256=digits, cache=tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/no/such/file.pt", r"/no/such/file\.pt: no such file of weights"),
        ("gs://bucket/key", "unknown source of weights 'gs:'"),
        (
            "torchvison:ResNet18_Weights.DEFAULT",
            r"unknown source of weights 'torchvison:'; did you mean 'torchvision'\?",
        ),
        ("", r"\.: expected one file of weights|no such file"),
    ],
)
def test_an_unknown_source_is_refused(source, message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        fetch_weights(source, sha256="", cache=tmp_path / "cache")


def test_a_download_with_a_sha256_is_fetched_once(web, tmp_path: Path):
    url = f"{web.address}/w.safetensors"
    first = fetch_weights(url, sha256=SHA256, cache=tmp_path / "a" / "cache")
    assert first.read_bytes() == CONTENT
    assert first.parent == tmp_path / "a" / "cache"
    assert first.suffix == ".safetensors"
    assert fetch_weights(url, sha256=SHA256[:8], cache=tmp_path / "a" / "cache") == first
    assert len(web.requests) == 1


def test_a_download_without_a_sha256_is_fetched_anew(web, tmp_path: Path):
    url = f"{web.address}/w.safetensors"
    fetch_weights(url, sha256="", cache=tmp_path)
    web.files["/w.safetensors"] = b"newer"
    assert fetch_weights(url, sha256="", cache=tmp_path).read_bytes() == b"newer"
    assert len(kept_in(tmp_path)) == 1


def test_a_damaged_file_in_the_cache_is_fetched_again(web, tmp_path: Path):
    url = f"{web.address}/w.safetensors"
    fetch_weights(url, sha256=SHA256, cache=tmp_path).write_bytes(b"damaged")
    assert fetch_weights(url, sha256=SHA256, cache=tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["/", "/moved.pt", "/w.safetensors?download=1"])
def test_redirects_queries_and_bare_addresses_are_followed(path, web, tmp_path: Path):
    assert fetch_weights(web.address + path, sha256=SHA256, cache=tmp_path).read_bytes() == CONTENT


def test_a_download_with_another_sha256_leaves_nothing(web, tmp_path: Path):
    with pytest.raises(UserError, match=f"sha256 is {SHA256}, expected 00000000"):
        fetch_weights(f"{web.address}/w.safetensors", sha256="0" * 8, cache=tmp_path)
    assert kept_in(tmp_path) == []


def test_a_broken_connection_leaves_nothing(web, tmp_path: Path):
    announced = len(CONTENT) + 1000
    with pytest.raises(UserError, match=rf"broken\.pt: .*{len(CONTENT)} of {announced} bytes|cannot download"):
        fetch_weights(f"{web.address}/broken.pt", sha256="", cache=tmp_path)
    assert kept_in(tmp_path) == []


def test_a_missing_page_and_a_dead_server_are_named_without_secrets(web, tmp_path: Path):
    with pytest.raises(UserError, match=r"/none\.pt: the server answered 404 Not Found; check the address") as caught:
        fetch_weights(f"{web.address}/none.pt?token=secret", sha256="", cache=tmp_path)
    assert "secret" not in str(caught.value)
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:1/w\.pt: cannot download it \(.*refused") as caught:
        fetch_weights("http://me:secret@127.0.0.1:1/w.pt", sha256="", cache=tmp_path)
    assert "secret" not in str(caught.value)


def test_a_login_in_the_address_is_sent_and_not_passed_on_by_a_redirect(web, tmp_path: Path):
    url = web.address.replace("//", "//me:p%40ss@") + "/moved.pt"
    assert fetch_weights(url, sha256=SHA256, cache=tmp_path).read_bytes() == CONTENT
    assert web.logins == [f"Basic {b64encode(b'me:p@ss').decode()}", None]


def test_a_long_signed_address_is_no_path(web, tmp_path: Path):
    url = f"{web.address}/w.safetensors?signature={'a' * 5000}"
    assert fetch_weights(url, sha256=SHA256, cache=tmp_path).read_bytes() == CONTENT


def test_a_wrong_sha256_of_a_download_keeps_the_query_out_of_the_error(web, tmp_path: Path):
    with pytest.raises(UserError, match="sha256 is") as caught:
        fetch_weights(f"{web.address}/w.safetensors?token=secret", sha256="0" * 8, cache=tmp_path)
    assert "secret" not in str(caught.value)


def test_a_folder_of_ours_is_a_source_too(tmp_path: Path):
    spec = ModelSpec("small_cnn", 3, 1, 8)
    save_model(tmp_path, spec, build(spec).state_dict())
    assert fetch_weights(str(tmp_path), sha256="", cache=tmp_path) == tmp_path / "weights.safetensors"


def test_torchvisions_own_download_is_used_when_it_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "mobilenet_v2-b0353104.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    source = "torchvision:MobileNet_V2_Weights.IMAGENET1K_V1"
    assert fetch_weights(source, sha256=SHA256, cache=tmp_path / "cache") == path


def test_torchvisions_weights_are_checked_against_their_name():
    from prunegap.acquisition.torchvision_weights import published_weights

    url, digits = published_weights("torchvision:MobileNet_V2_Weights.IMAGENET1K_V1")
    assert (url, digits) == ("https://download.pytorch.org/models/mobilenet_v2-b0353104.pth", "b0353104")


def test_weights_unknown_to_torchvision_are_answered_with_the_nearest_ones(tmp_path: Path):
    with pytest.raises(
        UserError, match=r"no weights 'ResNet34_Weight.V1'; did you mean 'ResNet34_Weights.IMAGENET1K_V1'"
    ):
        fetch_weights("torchvision:ResNet34_Weight.V1", sha256="", cache=tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_an_error_of_the_user(tmp_path: Path):
    (tmp_path / "w.pt").write_bytes(CONTENT)
    (tmp_path / "w.pt").chmod(0)
    with pytest.raises(UserError, match="cannot be read; change its permissions"):
        fetch_weights(str(tmp_path / "w.pt"), sha256=SHA256, cache=tmp_path)
