"""The container engine of the tests marked `docker`, and the images built once a session."""

import functools
import gc
import subprocess
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from docker.client import DockerClient

from pipelines.image_engine import open_engine
from pipelines.images import TARGETS, ImageLock, build_images, git_revision
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


@functools.cache
def stage_image() -> ImageLock:
    """Build every image of this checkout (layers built before are used again) and return their lock."""
    with closing(engine_or_skip()) as engine:
        return build_images(engine, TARGETS, git_revision(ROOT), context=ROOT)
