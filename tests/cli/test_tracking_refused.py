"""Truth: a real HTTP server that answers 403, and a port nobody listens at: refused before any work starts."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pipeline.program import Program
from pipeline.workspaces import write_experiment
from ports import free_port


class Forbidding(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
        """Keep quiet."""


@pytest.fixture
def forbidding() -> Iterator[str]:
    """Yield the address of a server that answers 403 to everyone."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Forbidding) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_forbids_or_is_down_is_named_before_any_work_starts(
    program: Program, forbidding: str, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    experiment = write_experiment(tmp_path)
    refused = program.start("run", experiment, "--tracking-uri", forbidding, "--workspace", "refused")
    down = program("run", experiment, "--workspace", "down", environment={"MLFLOW_TRACKING_URI": nobody})
    assert (refused.end().code, down.code) == (1, 1)
    [line] = refused.end().error_lines
    assert line.startswith(f"tracking server {forbidding} answers 403: ")
    assert "--allowed-hosts" in line
    [line] = down.error_lines
    assert line.startswith(f"tracking server {nobody} cannot be reached (")
    assert "correct --tracking-uri or MLFLOW_TRACKING_URI" in line
    for workspace in ("refused", "down"):
        assert {path.name for path in (tmp_path / workspace).iterdir()} == {".lock", "experiment.json"}


def test_a_broken_address_is_named(program: Program, tmp_path: Path) -> None:
    ended = program("run", write_experiment(tmp_path), "--tracking-uri", "htp://x")
    assert ended.code == 1
    assert ended.err == (
        "error: tracking address 'htp://x' is broken: expected http://HOST:PORT, https://HOST, or sqlite:///FILE; "
        "correct --tracking-uri or MLFLOW_TRACKING_URI\n"
    )
