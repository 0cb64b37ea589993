"""The stage image does real work under every restriction; the truth is the engine's own account of it."""

import json
import re
import signal

import pytest
from engine import ROOT
from prunegap_pipelines.images import TARGETS, git_revision

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is_and_is_not_root(engine, lock, target):
    image = engine.images.get(lock.reference(target))
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["title"] == f"prunegap/{target}"
    assert labels["revision"] == lock.revision
    assert labels["revision"].removesuffix("-dirty") == git_revision(ROOT).removesuffix("-dirty")
    assert labels["version"] == "0.1.0"
    assert labels["description"]
    built = lock.images[target]
    assert (image.id, image.attrs["Size"]) == (built.id, built.size_bytes)
    assert built.tag in image.tags
    assert built.digest is None


def test_the_program_starts_in_a_read_only_container(run, lock):
    assert run(lock.reference("stage"), "prunegap", "--version") == (0, "prunegap, version 0.1.0\n")


def test_the_command_is_the_containers_own_and_without_one_it_says_what_there_is(engine, run, lock):
    assert engine.images.get(lock.reference("stage")).attrs["Config"]["Entrypoint"] is None
    code, said = run(lock.reference("stage"))
    assert (code, said.split()[:2]) == (0, ["Usage:", "prunegap"])


def test_a_mistake_is_one_line_and_exit_code_1(run, lock):
    code, said = run(lock.reference("stage"), "prunegap", "prepare_data", "--dataset", "ds", "--source", "nothing")
    assert code == 1
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1


def test_no_platform_and_no_tools_are_in_the_stage_image(run, lock):
    unwanted = ["kfp", "pytest", "moto", "pip", "uv", "hatchling", "components", "pipelines"]
    script = f"import importlib.util as u, json; print(json.dumps([n for n in {unwanted} if u.find_spec(n)]))"
    code, said = run(lock.reference("stage"), "python", "-c", script)
    assert (code, json.loads(said)) == (0, [])


def test_the_code_is_a_small_layer_over_the_dependencies(engine, lock):
    layers = [layer["Size"] for layer in engine.images.get(lock.reference("stage")).history() if layer["Size"]]
    assert layers[0] < 5e6
    assert max(layers) == layers[1]
    assert max(layers) > 0.9 * (sum(layers) - layers[-1])


def test_stages_write_their_artifacts_to_the_volume_and_nothing_else(run, lock, volume):
    mounts = {volume: {"bind": "/workspace", "mode": "rw"}}
    stage = lock.reference("stage")
    made = run(stage, "prunegap", "prepare_data", "--dataset", "dataset", volumes=mounts)
    assert made[0] == 0, made[1]
    train = ["prunegap", "acquire_dense", "--dataset", "dataset", "--dense-model", "dense", "--history", "history"]
    trained = run(stage, *train, "--epochs", "1", volumes=mounts)
    assert trained[0] == 0, trained[1]
    script = (
        "import pathlib\nfrom prunegap.artifacts.manifest import check\n"
        "for kind in ('dataset', 'dense_model'): print(check(pathlib.Path(kind.removesuffix('_model')), kind).kind)\n"
        "for path in ('/opt/venv/x', '/checkpoints/x'):\n"
        "  try: open(path, 'w')\n"
        "  except OSError as error: print(error.strerror)\n"
    )
    checked = run(stage, "python", "-c", script, volumes=mounts)
    refused = "Read-only file system"
    assert checked == (0, f"dataset\ndense_model\n{refused}\n{refused}\n")


def test_sigterm_reaches_the_program_which_ends_with_143(start, lock, volume, until):
    words = ["prunegap", "acquire_dense", "--dataset", "dataset", "--dense-model", "stopped", "--epochs", "100000"]
    stopped = start(lock.reference("stage"), *words, volumes={volume: {"bind": "/workspace", "mode": "rw"}})
    until(lambda: catches_sigterm(stopped), lambda: runs(stopped), stopped.logs)
    stopped.stop(timeout=900)
    assert stopped.wait()["StatusCode"] == 143
    assert "stopped" in stopped.logs().decode()


def runs(container):
    container.reload()
    return container.status == "running"


def catches_sigterm(container):
    status = container.exec_run(["cat", "/proc/1/status"]).output.decode()
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
    return caught and int(caught[1], 16) & 1 << (signal.SIGTERM - 1)
