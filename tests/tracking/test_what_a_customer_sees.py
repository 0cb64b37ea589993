"""Truth: MLflow's API after a whole run, what ``mlflow.pyfunc`` predicts, and the routes in MLflow's own front end."""

import json
import subprocess
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pytest
from pipeline.workspaces import write_experiment
from tracking.mlflow_view import View

from prunegap.cli.entry import cli
from prunegap.tracking.addresses import workspace_uri
from prunegap.tracking.chart_view import VIEW_TAG
from prunegap.tracking.links import charts_page, experiment_page, run_page
from prunegap.tracking.origin import origin


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> View:
    """Return what MLflow's API says of a whole run that was tracked in its workspace."""
    folder = tmp_path_factory.mktemp("seen")
    experiment = write_experiment(folder, name="seen", methods=["nft", "ceag"], seeds=[0], sparsities=[0.5])
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "KFP_RUN_ID", "PRUNEGAP_PIPELINE_RUN"):
            patch.delenv(variable, raising=False)
        cli.main(["run", str(experiment), "--workspace", str(folder / "seen")], standalone_mode=False)
    return View(workspace_uri(folder / "seen"), "seen")


def test_the_parent_run_shows_figures_feasibility_description_report_and_where_it_came_from(seen: View) -> None:
    parent, compared = seen.parent(), seen.step("compare").data.metrics
    assert parent.data.metrics == compared
    assert {"test max psi/ceag 50", "test accuracy/nft 50", "feasible on train/ceag 50"} <= set(compared)
    tags = parent.data.tags
    assert "| sparsity % | method |" in tags["mlflow.note.content"]
    told = tags.get("prunegap.feasible_on_train", ""), tags.get("prunegap.infeasible_on_train", "")
    assert sorted(filter(None, ", ".join(told).split(", "))) == ["ceag 50", "nft 50"]
    assert {"mlflow.user", "mlflow.source.name"} <= set(tags)
    assert (parent.data.params["methods"], parent.data.params["sparsity"]) == ("nft, ceag", "0.5")
    assert json.loads(seen.text(parent, "experiment.json"))["name"] == "seen"
    assert "</html>" in seen.text(parent, "comparison.html")
    pictures = [file.path for file in seen.client.list_artifacts(parent.info.run_id, "images")]
    assert any("group gaps 50+step+0+" in path and path.endswith("+compressed.webp") for path in pictures)


def test_the_commit_is_that_of_the_folder_the_run_was_started_in(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "mlflow.source.git.commit" not in origin()
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *words], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert origin()["mlflow.source.git.commit"] == head


def test_runs_are_named_and_can_be_grouped_by_their_settings(seen: View) -> None:
    runs = {run.info.run_name: run.data.params for run in seen.runs()}
    assert len(runs) == len(seen.runs())
    for name in ("ceag 50 % seed 0", "evaluate ceag 50 % seed 0"):
        grouped = {key: runs[name][key] for key in ("method", "method_or_label", "seed", "sparsity")}
        assert grouped == {"method": "ceag", "method_or_label": "ceag", "seed": "0", "sparsity": "0.5"}
        assert "tolerance" in runs[name]


def test_a_model_hangs_on_the_run_that_trained_it_with_its_figures_and_data(seen: View) -> None:
    models = {model.name: model for model in seen.models()}
    assert set(models) == {
        "dense seed 0",
        "pruned 50 percent seed 0",
        "nft 50 percent seed 0",
        "ceag 50 percent seed 0",
    }
    model, trained = models["ceag 50 percent seed 0"], seen.step("finetune-sparsity50-seed0-ceag")
    trained = seen.client.get_run(trained.info.run_id)  # a search leaves the models out
    assert model.source_run_id == trained.info.run_id
    assert trained.outputs
    assert [one.model_id for one in trained.outputs.model_outputs] == [model.model_id]
    figures = {metric.key: metric for metric in model.metrics or []}
    evaluated = seen.step("evaluate-sparsity50-seed0-ceag").data.metrics
    assert figures["test/max_psi"].value == evaluated["test/max_psi"]
    assert trained.inputs
    (data,) = trained.inputs.dataset_inputs
    assert (figures["test/max_psi"].dataset_name, figures["test/max_psi"].dataset_digest) == (
        data.dataset.name,
        data.dataset.digest,
    )
    assert any(key.endswith("accuracy") for key in {metric.key for metric in models["dense seed 0"].metrics or []})


def test_mlflow_loads_a_logged_model_and_predicts_with_it(seen: View, monkeypatch) -> None:
    (model,) = [one for one in seen.models() if one.name == "ceag 50 percent seed 0"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", seen.client.tracking_uri)
    mlflow.set_tracking_uri(seen.client.tracking_uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow.pyfunc's own, while it is imported
        loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
    shape = loaded.metadata.signature.inputs.inputs[0].shape
    predicted = loaded.predict(np.zeros((2, *shape[1:]), dtype=np.uint8))
    assert len(predicted) == 2
    assert predicted.sum(axis=1).to_numpy() == pytest.approx([1.0, 1.0])
    assert len(set(predicted.columns)) == predicted.shape[1] > 1


def test_the_saved_view_is_one_that_the_front_end_reads(seen: View) -> None:
    tag = json.loads(seen.client.get_experiment(seen.experiment_id).tags[VIEW_TAG])
    assert {type(tag[key]) for key in ("name", "state")} == {str}
    assert type(tag["createdAt"]) is int
    state = json.loads(tag["state"])
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections
    (groups,) = [chart["selectedMetricKeys"] for chart in state["compareRunCharts"] if "multiplier" in str(chart)]
    assert set(groups) <= set(seen.step("finetune-sparsity50-seed0-ceag").data.metrics)


def test_links_have_the_form_that_mlflows_front_end_routes_and_reads() -> None:
    scripts = (Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js").glob("*.js")
    front_end = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in scripts)
    for word in (
        'get("workflowType")',
        'MACHINE_LEARNING="machine_learning"',
        '"viewStateShareKey"',
        '"mlflow.sharedViewState."',
    ):
        assert word in front_end
    assert '"/experiments/:experimentId/runs/:runUuid' in front_end
    assert run_page("http://m:5/", "3", "r") == "http://m:5/#/experiments/3/runs/r?workflowType=machine_learning"
    assert experiment_page("http://m:5", "3") == "http://m:5/#/experiments/3/runs?workflowType=machine_learning"
    assert charts_page("http://a:b@m:5", "3").startswith(
        "http://a@m:5/#/experiments/3/runs?workflowType=machine_learning&"
    )
