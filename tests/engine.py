"""The container engine of the tests marked `docker`, and the images built once a session.

What tests build has names of its own: the images that a user has built, and his image lock, are his.
"""

import gc
import secrets
import subprocess
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from docker.client import DockerClient
from docker.errors import ImageNotFound
from prunegap_pipelines import LOCK
from prunegap_pipelines.image_engine import open_engine
from prunegap_pipelines.images import LOCAL, TARGETS, ImageLock, build_images, git_revision
from shared import lent

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


@contextmanager
def built_images(engine: DockerClient, folder: Path) -> Generator[ImageLock]:
    """Build every image of this checkout once a session (layers built before are used again) and yield their lock."""

    def build(empty: Path) -> str:
        name = own_name()
        with users_images_untouched(engine):
            build_images(engine, TARGETS, git_revision(ROOT), name=name, context=ROOT).write(empty / "lock.json")
        return name

    with lent(folder, build, lambda name: forget(engine, f"{name}/")):
        yield ImageLock.read(folder / "lock.json")


def own_name() -> str:
    """Return what the names of a test's images can begin with, like nobody else's."""
    return f"{LOCAL}-test-{secrets.token_hex(4)}"


def forget(engine: DockerClient, beginning: str) -> None:
    """Remove every image whose name begins so; the layers below stay, for the next build."""
    for image in engine.images.list():
        for name in [*image.tags, *image.attrs["RepoDigests"]]:
            if name.startswith(beginning):
                with suppress(ImageNotFound):  # the last tag takes its digest along
                    engine.images.remove(name, noprune=True)


def users_images(engine: DockerClient, owner: str = LOCAL, lock: Path = ROOT / LOCK) -> tuple[dict[str, str], bytes]:
    """Return the images that `make images` made, by name, and the lock it wrote."""
    named = {tag: image.id or "" for image in engine.images.list() for tag in image.tags}
    users = {tag: identifier for tag, identifier in named.items() if tag.startswith(f"{owner}/")}
    return users, lock.read_bytes() if lock.exists() else b""


@contextmanager
def users_images_untouched(engine: DockerClient, owner: str = LOCAL, lock: Path = ROOT / LOCK) -> Generator[None]:
    """Fail if what a user has built is another when the block ends."""
    before = users_images(engine, owner, lock)
    yield
    assert users_images(engine, owner, lock) == before, "a test moved a user's image tags or wrote his image lock"
