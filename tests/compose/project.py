"""A compose project of its own: name, ports, volumes and passwords that no other one has."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"


@dataclass
class Project:
    """Settings as ``docker/.env`` would give them; the environment goes before that file.

    Attributes:
        images: image by target: stage, mlflow, objectstore.
        experiments: folder of experiment files.
    """

    images: Mapping[str, str]
    experiments: Path
    name: str = field(default_factory=lambda: f"prunegap-test-{secrets.token_hex(4)}")
    mlflow_port: int = field(default_factory=free_port)
    objectstore_port: int = field(default_factory=free_port)
    secret: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "COMPOSE_PROJECT_NAME": self.name,
            "STAGE_IMAGE": self.images["stage"],
            "MLFLOW_IMAGE": self.images["mlflow"],
            "OBJECTSTORE_IMAGE": self.images["objectstore"],
            "POSTGRES_IMAGE": "",
            "POSTGRES_PASSWORD": self.secret[::-1],
            "OBJECTSTORE_ACCESS_KEY": "tester",
            "OBJECTSTORE_SECRET_KEY": self.secret,
            "MLFLOW_PORT": str(self.mlflow_port),
            "OBJECTSTORE_PORT": str(self.objectstore_port),
            "EXPERIMENTS_DIR": str(self.experiments),
            "DATA_DIR": "",
            "PRUNEGAP_PIPELINE_RUN": "",
        }
        return {**os.environ, **settings}

    @property
    def mlflow(self) -> str:
        return f"http://127.0.0.1:{self.mlflow_port}"

    def run(self, file: Path) -> subprocess.CompletedProcess[str]:
        """Carry out a generated file to its end, as the README says."""
        return self._call([str(DOCKER / "run.sh"), str(file)])

    def compose(
        self, *arguments: str, files: tuple[Path, ...] = (), **changed: str
    ) -> subprocess.CompletedProcess[str]:
        """Call compose on ``docker/compose.yaml`` and more files, with settings changed."""
        named = [word for file in (DOCKER / "compose.yaml", *files) for word in ("-f", str(file))]
        return self._call([*tool(), *named, *arguments], **changed)

    def log(self, service: str) -> list[str]:
        """The lines a service's container has written."""
        label = ["--filter", f"label=com.docker.compose.project={self.name}"]
        found = self._call(
            ["docker", "ps", "--all", "--quiet", *label, "--filter", f"label=com.docker.compose.service={service}"]
        )
        (container,) = found.stdout.split()
        shown = self._call(["docker", "logs", container])
        return (shown.stdout + shown.stderr).splitlines()

    def _call(self, command: list[str], **changed: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | changed
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)


@cache
def found_tool() -> list[str] | None:
    """The compose at hand, v2 first."""
    for words in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(words[0])
            and not subprocess.run([*words, "version"], capture_output=True, check=False).returncode
        ):
            return words
    return None


def tool() -> list[str]:
    """The compose at hand; without one the test is skipped."""
    return found_tool() or pytest.skip("compose is not installed: neither `docker compose` nor docker-compose")
