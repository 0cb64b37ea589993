"""Truth: what MLflow's API and the S3 bucket hold after the whole command has run against a real server."""

from pathlib import Path

from pipeline.workspaces import write_experiment

from prunegap.cli.entry import cli


def test_a_whole_run_is_browsable_on_a_server_whose_files_lie_in_s3(server, bucket, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    experiment = write_experiment(tmp_path, name="whole-run", methods=["nft", "ceag"], seeds=[0], sparsities=[0.5])
    workspace = str(tmp_path / "ws")
    cli.main(["run", str(experiment), "--workspace", workspace, "--tracking-uri", server.uri], standalone_mode=False)
    client = MlflowClient(server.uri)
    found = client.get_experiment_by_name("whole-run")
    assert found is not None
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
