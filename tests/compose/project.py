"""A compose project of its own: name, ports, volumes and passwords that no other one has."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline.workspaces import write_experiment
from ports import free_port
from prunegap_components.compose import compose_file
from prunegap_pipelines.images import ImageLock

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
        return self._call(_run(file))

    def start(self, file: Path, name: str = "") -> subprocess.Popen[str]:
        """Begin what :meth:`run` carries out, as the pipeline run of that name."""
        environment = self.environment | {"PRUNEGAP_PIPELINE_RUN": name}
        return subprocess.Popen(
            _run(file), env=environment, text=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def compose(
        self, *arguments: str, files: tuple[Path, ...] = (), **changed: str
    ) -> subprocess.CompletedProcess[str]:
        """Call compose on ``docker/compose.yaml`` and more files, with settings changed."""
        named = [word for file in (DOCKER / "compose.yaml", *files) for word in ("-f", str(file))]
        return self._call([*tool(), *named, *arguments], **changed)

    def log(self, service: str) -> list[str]:
        """The lines a service's container has written."""
        shown = self._call(["docker", "logs", self.container(service)])
        return (shown.stdout + shown.stderr).splitlines()

    def container(self, service: str) -> str:
        """The identifier of a service's container, running or not; empty before it is made."""
        labels = {"project": self.name, "service": service, "oneoff": "False"}
        asked = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
        found = self._call(["docker", "ps", "--all", "--quiet", *asked])
        return found.stdout.strip()

    def _call(self, command: list[str], **changed: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | changed
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)


def _run(file: Path) -> list[str]:
    return [str(DOCKER / "run.sh"), str(file)]


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


@contextmanager
def running(images: ImageLock, folder: Path) -> Generator[Project]:
    """Yield a project; its containers, networks and volumes are removed at the end whatever happened."""
    tool()
    folder.chmod(0o755)  # the containers' user reads the experiments in it
    project = Project({target: image.tag for target, image in images.images.items()}, folder)
    try:
        yield project
    finally:
        left = project.compose("down", "--volumes", "--remove-orphans", "--timeout", "3")
        assert left.returncode == 0, left.stderr


def generated(folder: Path, services: Mapping[str, Mapping[str, object]] | None = None, **changes: Any) -> Path:
    """Write an experiment and its compose file, as a user does, with changes to services as he may make them."""
    folder.mkdir(exist_ok=True)
    path, output = write_experiment(folder, **changes), folder / "compose.yaml"
    text = compose_file(path, output)
    whole = yaml.safe_load(text)
    for name, changed in (services or {}).items():
        whole["services"].setdefault(name, {}).update(changed)
    output.write_text(yaml.safe_dump(whole, sort_keys=False) if services else text)
    return output
