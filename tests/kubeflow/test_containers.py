"""Truth: containers of a real engine, looked at from outside, and what one process finds on the same data."""

import io
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest
from docker.errors import APIError
from prunegap_pipelines.containers import InContainers
from recipes import recipe
from same_figures import figures, models

import docker

BIN = Path(sys.executable).parent
pytestmark = pytest.mark.docker
LONGER = ("prune.finetune_epochs=80", "seeds=[0]", "methods=[{method: ceag, dual_step_size: 0.03}]")


@pytest.fixture(scope="module")
def image(images):
    return images.reference("stage")


@pytest.fixture
def folder(tmp_path):
    for path in (tmp_path, *tmp_path.parents):
        mode = path.stat().st_mode
        if mode & 0o055 != 0o055:  # the image's own user must get through to it
            path.chmod(mode | 0o055)
    return tmp_path / "run"


class Watcher(threading.Thread):
    """Notes every container that has a folder mounted, and does something to it as long as it is there."""

    def __init__(self, folder, act):
        super().__init__(daemon=True)
        self.client, self.folder, self.act = docker.from_env(), str(folder), act
        self.seen, self.stopped, self.ended = {}, threading.Event(), threading.Event()

    def run(self):
        try:
            while not self.stopped.is_set():
                for container in self.client.containers.list(ignore_removed=True):
                    if all(mount["Source"] != self.folder for mount in container.attrs["Mounts"]):
                        continue
                    if container.id not in self.seen:
                        self.seen[container.id] = container.attrs
                    with suppress(APIError):  # it may have ended since
                        self.act(container)
                time.sleep(0.05)
        finally:
            self.client.close()
            self.ended.set()

    def stop(self):
        self.stopped.set()
        self.ended.wait()


def there():
    """Return the ids of all containers, running or not."""
    with closing(docker.from_env()) as client:
        return {one.id for one in client.containers.list(all=True, ignore_removed=True)}


def task_of(attributes):
    """Return the stage of a container: kubeflow-task STAGE INPUT."""
    words = attributes["Config"]["Cmd"]
    return words[1] if words[0] == "kubeflow-task" else words[0]


@pytest.mark.slow
def test_the_smoke_pipeline_runs_every_stage_in_a_container_of_its_own(program, image, folder, smoke_here):
    watcher = Watcher(folder, lambda _: None)
    watcher.start()
    ended = program(*recipe("prunegap-pipelines run-local"), "--image", image, "--folder", folder)
    watcher.stop()
    assert ended.code == 0, ended.err
    tasks = [task_of(attributes) for attributes in watcher.seen.values()]
    assert Counter(tasks) == {
        "open-run": 1,
        "plan-cells": 1,
        "look-at": 2,
        "each-item": 2,
        "prepare_data": 1,
        "acquire_dense": 1,
        "measure_baseline": 1,
        "prune": 2,
        "finetune": 4,
        "evaluate": 4,
        "gate": 1,
        "compare": 1,
        "close-run": 1,
    }
    for attributes in watcher.seen.values():
        host = attributes["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
        assert attributes["Config"]["User"] not in {"", "root", "0", "0:0"}
    assert not there() & set(watcher.seen), "every container is removed"
    (comparison,) = folder.glob("prunegap-smoke-*/compare/comparison")
    assert figures(comparison) == figures(smoke_here / "steps/compare/comparison")
    assert models(folder) == models(smoke_here / "steps")


@pytest.mark.slow
def test_a_container_killed_in_the_middle_of_finetune_is_tried_again_and_goes_on(program, image, folder, tmp_path):
    overrides = [word for one in LONGER for word in ("--set", one)]
    workspace = tmp_path / "ws"
    assert (
        program("prunegap", "run", "experiments/smoke.yaml", *overrides, "--workspace", workspace, "--no-tracking").code
        == 0
    )
    killed = []

    def kill(container):
        checkpoints = list(folder.glob("checkpoints/[!.]*.checkpoint"))
        if not killed and task_of(container.attrs) == "finetune" and checkpoints:
            container.kill("SIGKILL")
            killed.append(container.id)

    watcher = Watcher(folder, kill)
    watcher.start()
    words = ("run-local", "experiments/smoke.yaml", *overrides, "--containers", "--image", image, "--folder", folder)
    ended = program("prunegap-pipelines", *words)
    watcher.stop()
    assert killed, "the container was never caught in the middle"
    assert ended.code == 0, ended.err
    step = "finetune-sparsity90-seed0-ceag"
    failed = f"{step}: failed with exit code 137"
    assert [line[: len(failed)] for line in ended.lines if line.startswith(f"{step}: ")] == [
        f"{step}: running",
        failed,
        f"{step}: running",
        f"{step}: done",
    ]
    (log,) = folder.glob("prunegap-smoke-*/**/finetune/log.txt")
    assert "goes on from its checkpoint at epoch" in log.read_text()
    assert not list(folder.glob("checkpoints/[!.]*.checkpoint")), "a finished stage needs none"
    (comparison,) = folder.glob("prunegap-smoke-*/compare/comparison")
    assert figures(comparison) == figures(workspace / "steps/compare/comparison")
    assert models(folder) == models(workspace / "steps")


def test_a_gpu_that_was_asked_for_is_asked_of_the_engine(engine, image, folder):
    folder.mkdir()
    before, log = there(), io.StringIO()
    code = InContainers(engine, folder, gpu=True)(image, ["prunegap", "--version"], {}, log)
    if code == 0:
        pytest.skip("the engine has a GPU")
    assert code == 125
    assert log.getvalue().startswith(f"error: Docker does not start a container of {image}: ")
    assert "gpu" in log.getvalue(), "what is not there is named"
    assert there() <= before, "a container that did not start is removed"


@pytest.mark.slow
def test_the_profile_decides_whether_containers_get_a_gpu(program, image, folder):
    words = ("run-local", "experiments/smoke.yaml", "--containers", "--resources", "gpu", "--image", image)
    ended = program("prunegap-pipelines", *words, "--folder", folder)
    if ended.code == 0:
        pytest.skip("the engine has a GPU")
    assert "gpu" in ended.last, ended.err


def test_an_image_that_cannot_be_pulled_is_named(program, engine, folder):
    name = "127.0.0.1:9/prunegap/stage:none"
    words = ("run-local", "experiments/smoke.yaml", "--containers", "--image", name, "--folder", folder)
    ended = program("prunegap-pipelines", *words)
    assert ended.code == 1
    assert ended.lines == [ended.last], "before anything runs"
    assert ended.last.startswith(f"error: image {name}: is not on this machine and cannot be pulled (")
    assert ended.last.endswith("or build it: prunegap-pipelines build-images")


def test_no_engine_is_said_before_anything_runs(program, tmp_path):
    words = ("run-local", "experiments/smoke.yaml", "--containers", "--image", "x:1", "--folder", tmp_path / "run")
    ended = program("prunegap-pipelines", *words, env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert (ended.code, len(ended.lines)) == (1, 1)
    assert ended.last.startswith(f"error: no container engine answers at unix://{tmp_path}/none.sock; start it")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["prepare_data", "prune"], ids=["before the loop", "in the loop"])
def test_an_interrupt_leaves_no_container_behind(image, folder, stage):
    words = ("run-local", "experiments/smoke.yaml", "--containers", "--image", image, "--folder", folder)
    caught = threading.Event()
    watcher = Watcher(folder, lambda container: task_of(container.attrs) == stage and caught.set())
    watcher.start()
    process = subprocess.Popen([BIN / "prunegap-pipelines", *words], stderr=subprocess.PIPE, text=True, env=os.environ)
    while not caught.wait(0.1):
        assert process.poll() is None, process.communicate()
    process.terminate()
    _, said = process.communicate()
    watcher.stop()
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert not there() & set(watcher.seen)
    assert {task_of(attributes) for attributes in watcher.seen.values()}.isdisjoint({"finetune", "close-run"})
