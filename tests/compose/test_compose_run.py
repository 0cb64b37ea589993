"""A run with docker compose, seen from outside: exit codes, logs, MLflow's API and the files in the object store."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from compose.project import Project, generated, running
from pipeline.workspaces import write_experiment
from prunegap_pipelines.images import ImageLock
from tracking.mlflow_view import View

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(7200)]
METHODS = ["nft", "ceag"]
STEPS = [
    "prepare_data",
    "acquire_dense",
    "measure_baseline",
    "prune-sparsity80-seed0",
    *(f"{stage}-sparsity80-seed0-{method}" for stage in ("finetune", "evaluate") for method in METHODS),
    "gate",
    "compare",
]


@pytest.fixture(scope="module")
def project(images: ImageLock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Servers and volumes of their own."""
    with running(images, tmp_path_factory.mktemp("compose")) as project:
        yield project


@pytest.fixture(scope="module")
def tiny(project: Project) -> Path:
    """The compose file of a run that is finished."""
    file = generated(project.experiments / "tiny", methods=METHODS)
    ended = project.run(file)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("MLflow's run of 'tiny' is FINISHED (http://127.0.0.1:")
    return file


@pytest.fixture
def view(project: Project, tiny: Path) -> View:
    return View(project.mlflow, "tiny")


def test_mlflow_shows_one_parent_and_a_nested_run_a_container(view: View):
    parent = view.parent()
    nested = [run for run in view.runs() if run.info.run_id != parent.info.run_id]
    assert (parent.info.run_name, parent.info.status) == ("tiny", "FINISHED")
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {parent.info.run_id}
    assert {run.data.tags["prunegap.step"]: run.info.status for run in nested} == dict.fromkeys(STEPS, "FINISHED")
    assert len(nested) == len(STEPS)
    tags = view.step("finetune-sparsity80-seed0-ceag").data.tags
    assert [tags[f"prunegap.{key}"] for key in ("stage", "seed", "sparsity", "method")] == [
        "finetune",
        "0",
        "0.8",
        "ceag",
    ]


def test_parameters_and_metrics_arrived(view: View):
    finetuned = view.step("finetune-sparsity80-seed0-ceag")
    assert {key: finetuned.data.params[key] for key in ("method", "tolerance", "dual_step_size")} == {
        "method": "ceag",
        "tolerance": "0.02",
        "dual_step_size": "0.01",
    }
    history = view.client.get_metric_history(finetuned.info.run_id, "group_accuracy/7")
    assert len(history) == 3
    assert finetuned.data.metrics["overall_sparsity"] == pytest.approx(0.8, abs=0.01)
    assert view.step("compare").data.metrics.keys() >= {"train max psi/ceag 80", "train max psi/nft 80"}


def test_the_store_holds_models_with_masks_and_the_report(project: Project, view: View):
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{project.objectstore_port}",
        aws_access_key_id="tester",
        aws_secret_access_key=project.secret,
        region_name="us-east-1",
    )
    stored = {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket="mlflow")["Contents"]}
    models = view.models()
    assert sorted(str(model.model_type) for model in models) == [
        "dense_model",
        "finetuned_model",
        "finetuned_model",
        "sparse_model",
    ]
    for model in models:
        files = {key.rpartition("/")[2] for key in stored if model.model_id in key}
        assert files >= ({"manifest.json"} | ({"masks.safetensors"} if model.model_type != "dense_model" else set()))
    report = f"{view.experiment_id}/{view.step('compare').info.run_id}/artifacts/comparison/comparison.html"
    assert stored[report] > 10_000
    assert b"</html>" in s3.get_object(Bucket="mlflow", Key=report)["Body"].read()
    s3.close()


def test_down_and_up_again_redoes_nothing_and_tracks_nothing_twice(project: Project, tiny: Path, view: View):
    before = {run.info.run_id: (run.info.run_name, run.info.end_time, run.data.metrics) for run in view.runs()}
    parent = view.parent().info.run_id
    down = project.compose("down", "--timeout", "3", files=(tiny,))
    assert down.returncode == 0, down.stderr
    assert project.run(tiny).returncode == 0
    for step in STEPS:
        said = project.log(step)
        if step == "gate":  # says the verdict every time
            assert sum("at a tolerance of 2 points on test: " in line for line in said) == len(METHODS)
            said = [line for line in said if line.startswith(f"{step}: ")]
        assert said == [f"{step}: up to date"]
    after = {run.info.run_id: (run.info.run_name, run.info.end_time, run.data.metrics) for run in view.runs()}
    assert after.keys() == before.keys()
    assert [key for key in before if before[key] != after[key]] in ([parent], [])
    assert view.parent().info.status == "FINISHED"


def test_one_container_gets_the_same_figures_from_the_same_file(project: Project, view: View):
    alone = write_experiment(project.experiments, name="alone", methods=METHODS)
    ended = project.compose("run", "--rm", "experiment", "run", f"/experiments/{alone.name}")
    assert ended.returncode == 0, ended.stderr
    other = View(project.mlflow, "alone")
    assert other.parent().info.status == "FINISHED"
    compared = [place.step("compare").data.metrics for place in (view, other)]
    assert _figures(compared[0]) == _figures(compared[1])
    shown = project.compose("run", "--rm", "--no-deps", "experiment", "show", "runs/tiny")
    assert "Report: runs/tiny/steps/compare/comparison/comparison.html" in shown.stdout


def _figures(metrics: dict[str, float]) -> dict[str, float]:
    figures = {name: value for name, value in metrics.items() if "seconds" not in name}
    assert len(figures) > 10
    return figures


def test_a_failed_stage_fails_the_run_and_its_last_line_says_why(project: Project, tiny: Path):
    file = generated(project.experiments / "broken", name="broken", acquire_dense={"device": "cuda"})
    ended = project.run(file)
    why = "error: device: cuda was asked for, but torch finds no GPU; use device: cpu or auto"
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"acquire_dense: {why}"
    assert project.log("acquire_dense")[-1] == why
    seen = View(project.mlflow, "broken")
    assert {run.data.tags.get("prunegap.step", "pipeline"): run.info.status for run in seen.runs()} == {
        "pipeline": "FAILED",
        "prepare_data": "FINISHED",
        "acquire_dense": "FAILED",
    }
