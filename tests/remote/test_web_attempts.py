"""A web server that fails at times. Truth: what it was asked, counted by the server itself."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from prunegap.errors import UserError
from prunegap.remote import web

Answer = tuple[int, bytes, int]
"""Status, content, and by how many bytes more than it has the content is announced."""
GOOD: Answer = (200, b"content", 0)


class Moody(ThreadingHTTPServer):
    """Gives its answers one after the other, the last one again and again."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = answers, 0
        self.address = f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = cast("Moody", self.server)
        status, content, missing = server.answers[min(server.asked, len(server.answers) - 1)]
        server.asked += 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) + missing))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output quiet."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(web, "PAUSES", (0.01, 0.01))
    begun: list[tuple[Moody, threading.Thread]] = []

    def begin(*answers: Answer) -> Moody:
        server = Moody(list(answers))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        begun.append((server, thread))
        return server

    yield begin
    for server, thread in begun:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("failure", [(503, b"busy", 0), (429, b"slower", 0), (200, b"conte", 2)])
def test_what_may_pass_is_tried_twice_more(serve, failure, tmp_path: Path):
    server = serve(failure, failure, GOOD)
    assert web.download_web(server.address, tmp_path).read_bytes() == b"content"
    assert server.asked == 3


def test_a_longer_broken_answer_leaves_no_end_behind_a_shorter_whole_one(serve, tmp_path: Path):
    server = serve((200, b"much longer content", 5), GOOD)
    assert web.download_web(server.address, tmp_path).read_bytes() == b"content"


@pytest.mark.parametrize(
    ("failure", "message"),
    [((503, b"", 0), "the server answered 503"), ((200, b"conte", 2), "5 of 7 bytes|cannot download it")],
)
def test_what_does_not_pass_is_told_after_three_attempts(serve, failure, message, tmp_path: Path):
    server = serve(failure)
    with pytest.raises(UserError, match=message):
        web.download_web(server.address, tmp_path)
    assert server.asked == 3


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_not_tried_again(serve, status, tmp_path: Path):
    server = serve((status, b"", 0))
    with pytest.raises(UserError, match=f"answered {status}"):
        web.download_web(server.address, tmp_path)
    assert server.asked == 1


@pytest.mark.parametrize("url", ["http://[bad", "http://127.0.0.1:port/x"])
def test_what_is_no_address_is_told_at_once(serve, url, tmp_path: Path):
    with pytest.raises(UserError, match="check the address"):
        web.download_web(url, tmp_path)
