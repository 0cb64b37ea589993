"""Truth: what MLflow's API and the S3 bucket hold after the whole command has run against a real server."""

import shutil
from pathlib import Path

import pytest
from pipeline.workspaces import write_experiment
from tracking.mlflow_view import View

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
    nested = {run.info.run_name: run for run in runs if run is not parent}
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


def record(uri: str, experiment: str) -> dict:
    """Return everything that MLflow has of an experiment, but for ids, addresses and times."""
    found, kept = View(uri, experiment), {}
    models = {model.model_id: model for model in found.models()}
    for run in found.runs():
        history = [
            (point.key, point.step, point.value)
            for key in run.data.metrics
            for point in found.client.get_metric_history(run.info.run_id, key)
        ]
        logged = [models[output.model_id] for output in run.outputs.model_outputs] if run.outputs else []
        kept[run.info.run_name] = {
            "status": run.info.status,
            "parameters": run.data.params,
            "tags": {key: value for key, value in run.data.tags.items() if key.startswith("prunegap.")},
            "below": run.data.tags.get("mlflow.parentRunId") in {found.parent().info.run_id},
            "metrics": sorted(history),
            "inputs": [one.dataset.digest for one in run.inputs.dataset_inputs] if run.inputs else [],
            "files": sorted(files(found.client, run.info.run_id)),
            "models": sorted(
                (
                    model.name,
                    model.tags["prunegap.digest"],
                    str(model.status),
                    sorted((metric.key, metric.step, metric.value) for metric in model.metrics or ()),
                    sorted(file.path for file in found.client.list_logged_model_artifacts(model.model_id)),
                )
                for model in logged
            ),
        }
    return kept


def files(client, run_id: str, folder: str | None = None) -> list[str]:
    listed = client.list_artifacts(run_id, folder)
    inside = [path for one in listed if one.is_dir for path in files(client, run_id, one.path)]
    return [one.path for one in listed if not one.is_dir] + inside


def test_a_run_told_again_from_its_artifacts_is_what_was_told_live(
    server, workspace: Path, tables: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = f"sqlite:///{shutil.copy(tables, tmp_path)}"
    live = record(server.uri, workspace.name)
    assert upload(workspace, other) == len(live) - 1
    again = record(other, workspace.name)
    assert again.keys() == live.keys()
    for name in live:
        assert again[name] == live[name], name
    assert upload(workspace, other) == 0
    assert record(other, workspace.name) == live
    assert len(live["prune-sparsity50-seed0"]["metrics"]) > 10
    assert live["compare"]["metrics"]
