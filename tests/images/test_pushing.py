"""Push and pull by digest against Debian's registry, a real process on the loopback; its own answers are the truth."""

import os
import shutil
import socket
import subprocess
import urllib.request

import pytest
from engine import ROOT, forget
from ports import free_port
from prunegap_pipelines.images import ImageLock, build_images, git_revision

pytestmark = pytest.mark.docker

CONFIGURATION = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
PASSWORDS = "auth: {{htpasswd: {{realm: test, path: {path}}}}}\n"


@pytest.fixture(scope="module")
def program():
    """Return the path of docker-registry, installed where the machine is Debian and ours."""
    if not shutil.which("docker-registry"):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            pytest.skip("needs docker-registry (apt-get install docker-registry)")
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "docker-registry"]):
            done = subprocess.run(
                ["apt-get", *words], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, check=False
            )
            if done.returncode:
                pytest.skip("needs docker-registry, which apt-get could not install")
    return shutil.which("docker-registry")


@pytest.fixture
def registry(program, engine, tmp_path, until):
    """Return a function that starts a registry (``PASSWORDS``: one that lets nobody in) and returns its address."""
    started = []

    def start(extra=""):
        port = free_port()
        passwords = tmp_path / "passwords"
        passwords.touch()
        settings = tmp_path / "registry.yml"
        settings.write_text((CONFIGURATION + extra).format(folder=tmp_path / "store", port=port, path=passwords))
        with (tmp_path / "registry.log").open("w") as log:
            process = subprocess.Popen([program, "serve", settings], stdout=log, stderr=log)
        address = f"127.0.0.1:{port}"
        started.append((process, address))
        until(lambda: listening(port), lambda: process.poll() is None, (tmp_path / "registry.log").read_text)
        return address

    yield start
    for process, address in started:
        process.terminate()
        process.wait()
        forget(engine, address)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_pushed_image_is_pinned_by_the_registrys_digest_and_pulled_by_it(engine, registry, tmp_path, name):
    address = registry()
    place = f"{address}/some/place"
    lock = build_images(engine, ["objectstore"], git_revision(ROOT), place, name=name, context=ROOT)
    image = lock.images["objectstore"]
    repository, _, tag = image.tag.rpartition(":")
    assert repository == f"{place}/objectstore"
    asked = urllib.request.Request(
        f"http://{address}/v2/some/place/objectstore/manifests/{tag}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
    )
    with urllib.request.urlopen(asked) as answer:
        assert answer.headers["Docker-Content-Digest"] == image.digest
    assert image.reference == f"{repository}@{image.digest}"
    lock.write(tmp_path / "deep" / "images.lock.json")
    reference = ImageLock.read(tmp_path / "deep" / "images.lock.json").reference("objectstore")
    forget(engine, address)
    pulled = engine.images.pull(reference)
    assert pulled.id == image.id


def test_a_push_to_a_registry_that_is_not_there_or_refuses_says_what_to_check(engine, registry, message, name):
    def push(address):
        revision = git_revision(ROOT)
        return message(lambda: build_images(engine, ["objectstore"], revision, address, name=name, context=ROOT))

    nowhere = f"127.0.0.1:{free_port()}"
    said = push(nowhere)
    forget(engine, nowhere)
    assert "connection refused" in said
    assert f"check that {nowhere} is the registry's address" in said
    closed = registry(PASSWORDS)
    assert f"log in with `docker login {closed}` as someone who may push there" in push(closed)
