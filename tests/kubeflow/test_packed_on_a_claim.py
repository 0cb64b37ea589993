"""Packed data on a claim, a folder in its role. Truth: the same compiled pipeline with the data in the artifact."""

import json
from pathlib import Path

import pytest
import yaml
from prunegap_pipelines.resources import DATA, read_resources
from same_figures import figures, models
from walk import compiled, tasks

from prunegap.artifacts.elsewhere import ELSEWHERE, PACKED_DIR, VERIFY_PACKED
from prunegap.artifacts.manifest import manifest_at
from prunegap.errors import UserError

RUN = ("prunegap-pipelines", "run-local", "experiments/smoke.yaml", "--image", "prunegap/stage:test", "--cache")
READERS = {"prepare_data", "acquire_dense", "measure_baseline", "prune", "finetune", "evaluate"}


@pytest.fixture(scope="module")
def on_claim(program, tmp_path_factory):
    """Return what runs the smoke pipeline with its data on a claim, and the folder of its first run."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "packed.yaml").write_text("packed_folder: packed\nretries: 0\n")

    def run(*words):
        return program(*RUN, "--folder", folder / "run", "--resources", folder / "packed.yaml", *words)

    ended = run()
    assert ended.code == 0, ended.err
    return run, folder / "run"


def one(folder, pattern):
    return next(folder.glob(f"prunegap-smoke-*/{pattern}"))


@pytest.mark.slow
def test_tasks_read_the_same_bytes_and_none_has_a_copy(on_claim, smoke_here):
    _, folder = on_claim
    packed, whole = one(folder, "prepare-data/dataset"), smoke_here / "steps/prepare_data/dataset"
    assert manifest_at(packed).digest == manifest_at(whole).digest
    large = {path.name: path.stat().st_size for path in whole.glob("*.safetensors")}
    assert {path.name for path in packed.iterdir()} ^ {path.name for path in whole.iterdir()} == {ELSEWHERE, *large}
    assert sorted(large.values()) == sorted(path.stat().st_size for path in (folder / "packed").iterdir())
    assert [path for path in folder.rglob("*.safetensors") if path.name in large] == []
    assert figures(one(folder, "compare/comparison")) == figures(smoke_here / "steps/compare/comparison")
    assert models(folder) == models(smoke_here / "steps")


@pytest.mark.slow
def test_a_file_that_is_gone_or_changed_ends_the_run_with_its_name(on_claim):
    run, folder = on_claim
    noted = json.loads((one(folder, "prepare-data/dataset") / ELSEWHERE).read_text())
    file = Path(noted["test.safetensors"]["path"])
    kept = file.read_bytes()
    for spoil, said in (
        (file.unlink, "are not there; mount the volume they lie on, or pack"),
        (lambda: file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1])), "were changed or damaged"),
    ):
        spoil()
        ended = run("--set", "evaluate.dataset_name=again")
        assert ended.code == 1
        assert "Traceback" not in ended.err
        assert f"error: {file}: the packed data of " in ended.last
        assert said in ended.last
    file.write_bytes(kept)


def test_every_task_that_packs_or_reads_data_has_the_claim_once_and_no_other_variable_or_input(tmp_path):
    (tmp_path / "packed.yaml").write_text(yaml.safe_dump({"packed_folder": "packed", "verify_packed": True}))
    spec, platform = compiled("smoke.yaml", tmp_path, str(tmp_path / "packed.yaml"))
    usual, usual_platform = compiled("smoke.yaml", tmp_path)
    packing = set()
    for label, executor in spec["deploymentSpec"]["executors"].items():
        container = dict(executor["container"])
        variables = {one["name"]: one["value"] for one in container.pop("env", [])}
        mounted = [one["mountPath"] for one in platform[label].get("pvcMount", [])]
        assert len(mounted) == len(set(mounted)), label
        if PACKED_DIR in variables:
            packing.add(container["args"][1])
            assert (variables.pop(PACKED_DIR), variables.pop(VERIFY_PACKED)) == (f"{DATA}/packed", "1")
            assert DATA in mounted
        before = dict(usual["deploymentSpec"]["executors"][label]["container"])
        assert variables == {one["name"]: one["value"] for one in before.pop("env", [])}
        assert container == before, "image, command and arguments: Kubeflow's cache key"
    assert packing == READERS
    assert dict(tasks(spec)) == dict(tasks(usual))
    assert usual_platform.keys() == platform.keys()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"packed_folder": "packed", "data_claim": ""},
            "packed_folder: needs a data_claim, the volume on which it lies",
        ),
        (
            {"packed_folder": "../packed"},
            "packed_folder: must be of letters, digits, '_', '.' and '-', the first a letter",
        ),
    ],
)
def test_a_folder_that_lies_on_no_claim_is_refused(tmp_path, given, line):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(given))
    with pytest.raises(UserError, match="packed_folder") as refused:
        read_resources(str(path))
    assert str(refused.value).startswith(f"{path}: {line}")
