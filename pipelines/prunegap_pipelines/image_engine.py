"""What is asked of a container engine to build and push an image, and its refusals in plain words."""

import os
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker.client import DockerClient
from docker.errors import APIError, DockerException
from requests import RequestException
from urllib3.exceptions import HTTPError

from prunegap.errors import UserError

DOCKERFILE = Path("docker/Dockerfile")
LAST_LINES = 10
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Show = Callable[[str], None]


@contextmanager
def engine_errors(doing: str) -> Generator[None]:
    """Turn an engine that refuses or is gone into a :class:`UserError` that says while ``doing`` what."""
    try:
        yield
    except APIError as error:
        raise UserError(f"{doing}: the engine refused: {error.explanation or error}") from error
    except (DockerException, RequestException, HTTPError) as error:
        raise UserError(f"{doing}: the container engine no longer answers; start it and try again ({error})") from error


def open_engine() -> DockerClient:
    """Return a client of the engine that DOCKER_HOST names (else the local one); it is the caller's to close.

    Raises:
        UserError: no engine answers there.
    """
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        return DockerClient.from_env(timeout=600)
    except DockerException as error:
        raise UserError(f"no container engine answers at {address}; start it, or set DOCKER_HOST ({error})") from error


def build_target(
    engine: DockerClient, target: str, *, tag: str, context: Path, arguments: Mapping[str, str], show: Show
) -> str:
    """Build one target of the Dockerfile in ``context`` and return the image's id.

    Raises:
        UserError: a step failed: which one, and the last lines it wrote.
    """
    step = "reading the Dockerfile"
    lines: deque[str] = deque(maxlen=LAST_LINES)
    identifier = error = ""
    with engine_errors(f"image {target}"):
        stream = engine.api.build(
            path=str(context),
            dockerfile=str(context / DOCKERFILE),
            target=target,
            tag=tag,
            buildargs=dict(arguments),
            rm=True,
            forcerm=True,
            decode=True,
        )
        for entry in stream:
            for line in _lines(entry):
                if line.startswith("Step "):
                    step = line
                    lines.clear()
                elif not line.startswith(("--->", "Removing intermediate")):
                    lines.append(line)
                show(f"{target}: {line}")
            error = entry.get("error", error)
            identifier = entry.get("aux", {}).get("ID", identifier)
    if error:
        tail = "\n".join(f"  {line}" for line in lines)
        raise UserError(f"image {target} was not built: {step}: {error.strip()}\n{tail}".rstrip())
    if not identifier:
        raise UserError(f"image {target} was not built: the engine stopped at {step}; start it and try again")
    return identifier


def push(engine: DockerClient, repository: str, tag: str, show: Show) -> str:
    """Push ``repository:tag`` and return the digest (sha256:...) under which the registry keeps it.

    Raises:
        UserError: the registry cannot be reached or refuses.
    """
    name = f"{repository}:{tag}"
    digest = error = ""
    with engine_errors(f"push of {name}"):
        for entry in _pushing(engine, repository, tag):
            error = entry.get("error", error)
            if entry.get("status") and "progressDetail" not in entry:
                show(f"{name}: {entry['status']}")
            digest = entry.get("aux", {}).get("Digest", digest)
    if error:
        raise UserError(_refusal(name, repository.partition("/")[0], error.strip()))
    if not digest:
        raise UserError(f"push of {name}: the registry reported no digest; push it again")
    return digest


def _pushing(engine: DockerClient, repository: str, tag: str) -> Iterable[dict[str, Any]]:
    return engine.api.push(repository, tag, stream=True, decode=True)


def _lines(entry: Mapping[str, Any]) -> list[str]:
    text = entry.get("stream") or entry.get("status") or ""
    return [line.strip() for line in COLOUR.sub("", text).splitlines() if line.strip()]


def _refusal(name: str, registry: str, said: str) -> str:
    words = said.lower()
    if any(word in words for word in ("denied", "unauthorized", "no basic auth")):
        advice = f"log in with `docker login {registry}` as someone who may push there"
    elif "http response to https" in words:
        advice = f"it speaks http only: give it a certificate, or name {registry} in the engine's insecure-registries"
    else:
        advice = f"check that {registry} is the registry's address and that the engine reaches it"
    return f"push of {name} failed: {said}; {advice}"
