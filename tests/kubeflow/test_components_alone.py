"""Somebody else's pipeline of our component.yaml files, by kfp's own DockerRunner as it is.

Truth: the artifacts on disk, checked file by file; the runner's own word is not (it takes containers that failed for
ones that did not: https://github.com/kubeflow/pipelines/issues/13332).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prunegap_components.image_names import LOCAL, STAGE_IMAGE

from prunegap.artifacts.manifest import check, manifest_at

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = """
import sys
from pathlib import Path

from docker.errors import ImageNotFound
from kfp import components, dsl, local

folder, outputs, user = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
step = {path.parent.name: components.load_component_from_file(str(path)) for path in folder.glob("*/component.yaml")}


@dsl.pipeline
def mine(epochs: int = 1):
    data = step["prepare_data"](validation_share=0.1).outputs["dataset"]
    dense = step["acquire_dense"](dataset=data, epochs=epochs).outputs["dense_model"]
    measured = step["measure_baseline"](dataset=data, dense_model=dense).outputs["baseline"]
    pruned = step["prune"](
        dataset=data, dense_model=dense, baseline=measured, sparsity=0.8, gmp_epochs=1, finetune_epochs=1
    ).outputs["sparse_model"]
    tuned = step["finetune"](dataset=data, baseline=measured, sparse_model=pruned, method="nft")
    judged = step["evaluate"](dataset=data, baseline=measured, finetuned_model=tuned.outputs["finetuned_model"])
    one = judged.outputs["evaluation"]
    verdict = step["gate"](evaluations_1=one, enforce=False).outputs["verdict"]
    step["compare"](evaluations_1=one, histories_1=tuned.outputs["history"], verdict=verdict, title="mine")


local.init(local.DockerRunner(**({"user": user} if user else {})), pipeline_root=outputs)
for _ in range(20):
    try:
        mine()
        break
    except ImageNotFound:  # kfp looks at every image of the engine, and another one was removed while it did
        pass
"""
KINDS = {
    "dataset", "dense_model", "baseline", "sparse_model", "finetuned_model", "evaluation", "history", "verdict",
    "comparison",
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    """Return a folder of this test, with everybody let through to it."""
    for path in (tmp_path, *tmp_path.parents):
        mode = path.stat().st_mode
        if mode & 0o055 != 0o055:
            path.chmod(mode | 0o055)
    return tmp_path


def run(place, program, image, user=""):
    """Run the pipeline of components that name ``image``; return where outputs are and what was said.

    The folder of outputs is everybody's to write, or ``user``'s, who is then the container's.
    """
    ended = program("prunegap-pipelines", "components", place / "components", "--image", image)
    assert ended.code == 0, ended.err
    outputs = place / "outputs"
    outputs.mkdir()
    outputs.chmod(0o755 if user else 0o777)
    if user:
        os.chown(outputs, *map(int, user.split(":")))
    (place / "mine.py").write_text(PIPELINE)
    words = [sys.executable, place / "mine.py", place / "components", outputs, user]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, cwd=place)
    return outputs, done.stdout + done.stderr


@pytest.mark.docker
@pytest.mark.slow
def test_a_pipeline_of_component_files_runs_with_kfps_own_docker_runner(place, program, images):
    image = images.images["stage"].tag
    outputs, said = run(place, program, image)
    made = {path.parent for path in outputs.rglob("manifest.json")}
    kinds = {manifest_at(path).kind for path in made}
    assert kinds == KINDS, said
    for path in made:
        check(path, manifest_at(path).kind)
        assert path.stat().st_uid == 10001
    (table,) = outputs.glob("*/evaluate/groups")
    assert "| group |" in table.read_text()
    (report,) = outputs.glob("*/compare/report")
    assert "mine" in report.read_text()


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="makes a folder of another user's")
def test_the_container_may_be_the_owner_of_the_folder_whoever_that_is(place, program, images):
    outputs, said = run(place, program, images.images["stage"].tag, "12345:12345")
    made = {manifest_at(path.parent).kind: path for path in outputs.rglob("manifest.json")}
    assert set(made) == KINDS, said
    assert {path.stat().st_uid for path in made.values()} == {12345}


@pytest.mark.docker
def test_a_folder_that_the_images_user_cannot_write_is_said_in_one_line(place, engine, images):
    there = {name: {"artifacts": [{"uri": f"{place}/task/{name}"}]} for name in ("dataset", "metrics")}
    told = {"inputs": {}, "outputs": {"artifacts": there, "outputFile": f"{place}/task/executor_output.json"}}
    words = ["prunegap", "kubeflow-task", "prepare_data", json.dumps(told)]
    mounted = {str(place): {"bind": str(place), "mode": "rw"}}
    container = engine.containers.run(images.images["stage"].tag, words, volumes=mounted, detach=True)
    try:
        code, said = container.wait()["StatusCode"], container.logs().decode()
    finally:
        container.remove(force=True, v=True)
    assert (code, said) == (
        1,
        f"error: {place}: user 10001 of this container cannot write there; let it, or run the container as the "
        "folder's owner (kfp: local.DockerRunner(user='UID:GID'))\n",
    )
    assert list(place.iterdir()) == []


def names_of(folder):
    return {
        executor["container"]["image"]
        for path in folder.glob("*/component.yaml")
        for executor in next(yaml.safe_load_all(path.read_text()))["deploymentSpec"]["executors"].values()
    }


def test_the_committed_components_name_the_image_that_is_built_here_and_that_no_registry_has():
    assert names_of(ROOT / "components") == {STAGE_IMAGE}
    assert f"{LOCAL}/stage:dev" == STAGE_IMAGE
    host = STAGE_IMAGE.partition("/")[0]
    assert host == "localhost", "a name without a host is looked for at Docker Hub"


NAMING = ["docker/.env.example", "docker/README.md", "components/README.md", "docker/Dockerfile", "docker/stage.yaml"]
MANIFESTS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "k8s").rglob("*.yaml"))]


@pytest.mark.parametrize("path", [*NAMING, *MANIFESTS])
def test_no_file_names_an_image_that_a_registry_of_somebody_else_may_have(path):
    words = (ROOT / path).read_text().replace("`", " ").replace("=", " ").split()
    named = [word for word in words if word.partition(":")[0].endswith(("prunegap/stage", "prunegap/mlflow"))]
    assert [word for word in named if not word.startswith(("localhost/", "registry.example/", "org.", '"'))] == []


def test_components_are_written_with_the_image_of_a_lock(program, tmp_path):
    digest = "registry.example/team/stage@sha256:" + "a" * 64
    pushed = {
        "reference": digest,
        "tag": "registry.example/team/stage:0123456789ab",
        "id": "sha256:" + "b" * 64,
        "digest": "sha256:" + "a" * 64,
        "size_bytes": 1,
    }
    for image, expected in (
        (pushed, digest),
        (
            pushed | {"digest": None, "reference": pushed["id"], "tag": "localhost/prunegap/stage:01"},
            "localhost/prunegap/stage:01",
        ),
    ):
        (tmp_path / "lock.json").write_text(json.dumps({"revision": "0", "images": {"stage": image}}))
        ended = program("prunegap-pipelines", "components", tmp_path / "mine", "--images", tmp_path / "lock.json")
        assert ended.code == 0, ended.err
        assert names_of(tmp_path / "mine") == {expected}
        assert len(ended.out.splitlines()) == len(list((ROOT / "components").glob("*/component.yaml")))


def test_components_that_cannot_be_written_are_refused_in_one_line(program, tmp_path):
    (tmp_path / "file").write_text("")
    ended = program("prunegap-pipelines", "components", tmp_path / "file", "--image", "x.example/stage:1")
    assert (ended.code, ended.lines) == (1, [ended.last])
    assert ended.last.startswith(f"error: {tmp_path / 'file'}")
