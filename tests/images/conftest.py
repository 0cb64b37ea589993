"""Images as this checkout builds them, and containers under the restrictions they have to bear."""

import shutil
import time

import pytest
from engine import ROOT, forget, own_name, users_images_untouched

from prunegap.errors import UserError

RESTRICTED = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


@pytest.fixture(scope="session")
def lock(images):
    return images


@pytest.fixture(autouse=True)
def nothing_of_a_users_is_moved(request):
    """Check around every test that needs an engine: they build, tag and push."""
    if request.node.get_closest_marker("docker") is None:
        yield
        return
    with users_images_untouched(request.getfixturevalue("engine")):
        yield


@pytest.fixture
def name(engine):
    """Return what the names of the images of one test begin with; they are removed at the end."""
    beginning = own_name()
    yield beginning
    forget(engine, f"{beginning}/")


@pytest.fixture
def start(engine, volume):
    """Return a function that starts a restricted container, removed with its anonymous volumes at the end."""
    containers = []

    def begin(image, *words, **settings):
        containers.append(engine.containers.create(image, list(words), detach=True, **RESTRICTED, **settings))
        containers[-1].start()
        return containers[-1]

    yield begin
    for container in containers:
        container.remove(force=True, v=True)


@pytest.fixture
def run(start):
    """Return a function that runs a restricted container to its end: exit code and what it wrote."""

    def to_its_end(image, *words, **settings):
        container = start(image, *words, **settings)
        code = container.wait()["StatusCode"]
        return code, container.logs().decode()

    return to_its_end


@pytest.fixture(scope="module")
def volume(engine):
    """Return the name of a volume, empty at first; containers that hold it have to go before it."""
    made = engine.volumes.create()
    yield made.name
    made.remove(force=True)


@pytest.fixture
def until():
    """Return a function that waits until a condition holds of something that must live on till then."""

    def wait(condition, lives, what):
        while not (found := condition()):
            assert lives(), f"ended before: {what()}"
            time.sleep(0.2)
        return found

    return wait


@pytest.fixture
def checkout(tmp_path):
    """Return a copy of what the engine is sent, to be changed by the test."""
    copy = tmp_path / "checkout"
    for name in ("docker", "requirements", "src"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.lock.json"))
    for name in (".dockerignore", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def message():
    """Return a function that returns what a user is told by a call that has to fail."""

    def of(call):
        with pytest.raises(UserError) as refused:
            call()
        return str(refused.value)

    return of
