"""A real MLflow server over real sockets: sqlite behind it, its artifacts wherever it is told."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from ports import free_port

QUICK = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    """Wait until a server answers; it must not end before."""
    while True:
        assert server.poll() is None, log.read_text()
        try:
            with urlopen(url, timeout=60):
                return
        except (URLError, OSError):
            time.sleep(0.1)


@dataclass
class Server:
    """An ``mlflow server`` process that can be killed and started again on the same port and store."""

    folder: Path
    artifacts: str
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, tables: Path | None = None) -> "Server":
        """Start on what is stored, at first on a copy of ``tables`` if they are given, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if tables is not None:
            shutil.copy(tables, self.folder / "server.db")
        store = ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        files = ["--serve-artifacts", "--artifacts-destination", self.artifacts]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command = [sys.executable, "-m", "mlflow", "server", *store, *files, *where]
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--allowed-hosts", f"127.0.0.1:{self.port}"],
                env={**os.environ, **QUICK, **self.environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(f"{self.uri}/health", self.process, log)
        return self

    def kill(self) -> None:
        """Kill the server and its workers: its session is its own process group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self.process.wait()
