"""Carrying out a task in a container of its own, through the Docker SDK."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from docker.client import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import DeviceRequest, Mount

from prunegap.errors import UserError
from prunegap.tracking.environment import EXPERIMENT_VARIABLE

PASSED_ON = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    EXPERIMENT_VARIABLE,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL_S3",
)
IMAGE_USER = "10001:10001"


@dataclass(frozen=True)
class InContainers:
    """Runs tasks in containers: read-only root file system, no privileges, ``/tmp`` in memory.

    Attributes:
        client: the engine.
        folder: folder of the run, mounted at the same path.
        mounts: more folders, by path in the container: path on this machine; read-only.
        network: network the containers join, e.g. that of MLflow; empty: Docker's own.
        shared_memory: size of ``/dev/shm``.
        gpu: whether each container gets a GPU; it uses no second one.
        running: the containers there are now, by id.
    """

    client: DockerClient
    folder: Path
    mounts: Mapping[str, Path] = field(default_factory=dict[str, Path])
    network: str = ""
    shared_memory: str = "1g"
    gpu: bool = False
    running: dict[str, Container] = field(default_factory=dict[str, Container])

    def __call__(self, image: str, command: list[str], environment: Mapping[str, str], log: TextIO) -> int:
        """Run a container to its end, copy what it says to ``log``, and return its exit code.

        It is removed only after its exit code was read; an interrupt stops it first.
        """
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            container = self._start(image, command, {**environment, **passed})
        except UserError as error:
            log.write(f"error: {error}\n")
            return 125
        self.running[str(container.id)] = container
        try:
            for chunk in _said(container):
                log.write(chunk)
            return int(container.wait()["StatusCode"])
        finally:
            del self.running[str(container.id)]
            with contextlib.suppress(NotFound):
                container.remove(v=True, force=True)

    def stop(self) -> None:
        """Kill the containers; what they had sealed stays."""
        for container in tuple(self.running.values()):
            with contextlib.suppress(APIError):
                container.kill()

    def _start(self, image: str, command: Sequence[str], environment: Mapping[str, str]) -> Container:
        self.require(image)
        try:
            container = self.client.containers.create(
                image,
                entrypoint=list(command[:1]),
                command=list(command[1:]),
                environment=dict(environment),
                mounts=self._mounts(),
                user=self._user(),
                read_only=True,
                tmpfs={"/tmp": "mode=1777"},  # noqa: S108 - inside the container
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                shm_size=self.shared_memory,
                network=self.network or None,
                device_requests=[DeviceRequest(count=1, capabilities=[["gpu"]])] if self.gpu else None,
            )
            try:
                container.start()
            except APIError:
                container.remove(v=True, force=True)
                raise
        except APIError as error:
            raise UserError(f"Docker does not start a container of {image}: {_line(error)}") from None
        return container

    def require(self, image: str) -> None:
        """Pull an image that is not there.

        Raises:
            UserError: it cannot be pulled.
        """
        try:
            self.client.images.get(image)
        except ImageNotFound:
            try:
                self.client.images.pull(image)
            except (APIError, DockerException) as error:
                raise UserError(
                    f"image {image}: is not on this machine and cannot be pulled ({_line(error)}); check its name and "
                    "your login to the registry, or build it: prunegap-pipelines build-images"
                ) from None

    def _mounts(self) -> list[Mount]:
        own = Mount(str(self.folder), str(self.folder), type="bind")
        return [own, *(Mount(inside, str(path), type="bind", read_only=True) for inside, path in self.mounts.items())]

    def _user(self) -> str:
        """Return whose files the artifacts are to be: the caller's, and for root the image's own user's."""
        if os.getuid():
            return f"{os.getuid()}:{os.getgid()}"
        uid, gid = (int(part) for part in IMAGE_USER.split(":"))
        for path in (self.folder, *self.folder.rglob("*")):
            if path.is_dir() and path.stat().st_uid != uid:
                os.chown(path, uid, gid)
        return IMAGE_USER


def _said(container: Container) -> Iterator[str]:
    chunks: Any = container.logs(stream=True, follow=True)
    for chunk in chunks:
        yield chunk.decode("utf-8", "replace")


def _line(error: Exception) -> str:
    text = getattr(error, "explanation", None) or str(error)
    return " ".join(str(text).split())[:300]
