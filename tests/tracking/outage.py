"""A proxy before a real server that refuses calls or loses their answers, at moments of one's choice."""

import http.client
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PASS, REFUSE, LOSE = "pass", "refuse", "lose"
"""A call is passed on; answered 503 and not passed on; passed on, and the connection is cut before the answer."""


class Proxy(ThreadingHTTPServer):
    """Passes calls on; ``fate`` says of each, by its number, what becomes of it."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = urlsplit(upstream).netloc
        self.calls, self.fate = 0, everything_passes
        self.lock = threading.Lock()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def number(self) -> int:
        with self.lock:
            self.calls += 1
            return self.calls - 1

    def begin(self, fate: Callable[[int], str]) -> None:
        """Count from here, and let calls have this fate."""
        self.calls, self.fate = 0, fate

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = self.server.fate(self.server.number())
        if fate == REFUSE:
            self.answer(503, b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "the database is away"}', {})
            return
        upstream = http.client.HTTPConnection(self.server.host, timeout=600)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in {"host", "connection"}}
        upstream.request(self.command, self.path, body, {**headers, "Host": self.server.host})
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fate == LOSE:
            self.close_connection = True
            return
        self.answer(answer.status, content, {"Content-Type": answer.getheader("Content-Type") or "text/plain"})

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def proxied(upstream: str) -> Generator[Proxy]:
    """Yield a proxy before a server."""
    proxy = Proxy(upstream)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def everything_passes(_number: int) -> str:
    return PASS


def away(first: int, last: float = float("inf"), how: str = REFUSE) -> Callable[[int], str]:
    """Return the fate of an outage: calls from ``first`` to before ``last`` are refused, or lose their answers."""
    return lambda number: how if first <= number < last else PASS
