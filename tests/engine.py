"""The container engine of the tests marked `docker`, and the images built once a session."""

import gc
import subprocess
import warnings
from pathlib import Path

import pytest
from docker.client import DockerClient
from prunegap_pipelines.image_engine import open_engine
from prunegap_pipelines.images import TARGETS, ImageLock, build_images, git_revision
from shared import once

from prunegap.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
STARTER = ROOT.parent / "shared/engine/up"


def engine_or_skip() -> DockerClient:
    """Return a client of an engine that answers, started if the machine can; the caller closes it."""
    with warnings.catch_warnings():  # the SDK leaves a socket behind where no engine answers
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return open_engine()
        except UserError as error:
            reason = str(error)
        gc.collect()
    if not STARTER.exists():
        pytest.skip(f"needs a container engine: {reason}")
    started = subprocess.run([STARTER, "postgres"], capture_output=True, text=True, check=False)
    if started.returncode:
        said = (started.stdout + started.stderr).strip().splitlines()
        pytest.skip(f"needs a container engine, and {STARTER.name} could not start one: {' '.join(said[-1:])}")
    return open_engine()


def built_images(engine: DockerClient, folder: Path) -> ImageLock:
    """Build every image of this checkout once a session (layers built before are used again); return their lock."""

    def build(empty: Path) -> None:
        build_images(engine, TARGETS, git_revision(ROOT), context=ROOT).write(empty / "lock.json")

    return ImageLock.read(once(folder, build) / "lock.json")
