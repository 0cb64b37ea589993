"""Truth: what MLflow's API and the S3 bucket hold after the whole command has run against a real server."""

import shutil
from pathlib import Path

import pytest
from pipeline.workspaces import write_experiment
from tracking.mlflow_view import View
from tracking.record import differences, record

from prunegap.cli.entry import cli
from prunegap.tracking.session import upload


@pytest.fixture(scope="module")
def workspace(server, tmp_path_factory, worker_id) -> Path:
    """Return the workspace of a run that was tracked live, and is named as its experiment."""
    folder = tmp_path_factory.mktemp("whole")
    name = f"whole-run-{worker_id}"
    experiment = write_experiment(folder, name=name, methods=["nft", "ceag"], seeds=[0], sparsities=[0.5])
    words = ["run", str(experiment), "--workspace", str(folder / name), "--tracking-uri", server.uri]
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "KFP_RUN_ID", "PRUNEGAP_PIPELINE_RUN"):
            patch.delenv(variable, raising=False)
        cli.main(words, standalone_mode=False)
    return folder / name


def test_a_whole_run_is_browsable_on_a_server_whose_files_lie_in_s3(server, bucket, workspace: Path) -> None:
    found = View(server.uri, workspace.name)
    client = found.client
    runs = client.search_runs([found.experiment_id], max_results=100)
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    nested = {run.data.tags["prunegap.step"]: run for run in runs if run is not parent}
    assert {run.data.tags["mlflow.parentRunId"] for run in nested.values()} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    tuned = nested["finetune-sparsity50-seed0-ceag"].data
    assert tuned.params["method"] == "ceag"
    assert {"group_accuracy/0", "excess_gap/0", "multiplier/0", "violation/0"} <= set(tuned.metrics)
    assert {"test/max_psi", "train/feasible"} <= set(nested["evaluate-sparsity50-seed0-ceag"].data.metrics)
    assert any(name.startswith("sparsity/") for name in nested["prune-sparsity50-seed0"].data.metrics)
    models = client.search_logged_models([found.experiment_id])
    assert any(metric.key == "test/max_psi" for model in models for metric in model.metrics or [])
    stored = bucket()
    for name in ("masks.safetensors", "comparison.html", "comparison.csv"):
        assert any(key.endswith(name) for key in stored), name


def test_a_run_told_again_from_its_artifacts_is_what_was_told_live(
    server, workspace: Path, tables: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = f"sqlite:///{shutil.copy(tables, tmp_path)}"
    live = record(server.uri, workspace.name)
    assert upload(workspace, other) == len(live) - 1
    assert differences(live, record(other, workspace.name)) == []
    assert upload(workspace, other) == 0
    assert differences(live, record(other, workspace.name)) == []
    assert len(live["prune-sparsity50-seed0"]["metrics"]) > 10
    assert live["compare"]["metrics"]


def test_whatever_is_lacking_doubled_or_wrong_in_a_record_is_named(
    workspace: Path, tables: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = f"sqlite:///{shutil.copy(tables, tmp_path)}"
    upload(workspace, other)
    whole, found = record(other, workspace.name), View(other, workspace.name)
    step = "finetune-sparsity50-seed0-ceag"
    run_id, client = found.step(step).info.run_id, found.client
    point = client.get_metric_history(run_id, "train_loss")[0]
    client.log_metric(run_id, "train_loss", point.value, point.timestamp + 1, point.step)
    client.log_metric(run_id, "more", 1.0)
    client.set_terminated(run_id, "KILLED")
    client.set_tag(run_id, "prunegap.seed", "7")
    client.delete_run(found.step("compare").info.run_id)
    client.create_run(found.experiment_id, tags=found.step("prepare_data").data.tags)
    (model,) = [one for one in found.models() if one.model_type == "sparse_model"]
    client.log_model_artifact(model.model_id, str(tables))
    said = differences(whole, record(other, workspace.name))
    for line in (
        "compare: is not there",
        "prepare_data (2): is there, and was not expected",
        f"{step}: status: expected 'FINISHED', found 'KILLED'",
        f"{step}: tags prunegap.seed: expected '0', found '7'",
        f"{step}: metrics more: expected 'nothing', found [(0, '1.0')]",
        f"{step}: metrics train_loss: 0 of 3 lack (), 1 too many ({(point.step, repr(point.value))})",
    ):
        assert line in said
    assert [line for line in said if line.startswith("prune-sparsity50-seed0: models: 1 of 1 lack")]
    assert len(said) == 7
