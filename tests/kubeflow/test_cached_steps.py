"""Truth: what MLflow's API says of pipeline runs whose steps kfp's own cache gave the results of."""

import pytest
from tracking.mlflow_view import View

from prunegap.tracking.cached_steps import record_cached
from prunegap.tracking.stage import stage_tracker

SMALL = ("seeds=[0]", "methods=[nft]", "acquire_dense.epochs=1", "prune.gmp_epochs=1", "prune.finetune_epochs=1")
FINETUNE = "finetune-sparsity90-seed0-nft"
BEFORE = ("prepare_data", "acquire_dense", "measure_baseline", "prune-sparsity90-seed0", FINETUNE)
EVALUATE = "evaluate-sparsity90-seed0-nft"


@pytest.mark.slow
def test_a_cached_step_is_a_nested_run_that_says_which_run_did_it(program, tmp_path, server, worker_id):
    name = f"cached-{tmp_path.name}-{worker_id}".replace("_", "-")

    def run(identifier, *changes):
        overrides = [word for one in (*SMALL, f"name={name}", *changes) for word in ("--set", one)]
        words = ("run-local", "experiments/smoke.yaml", *overrides, "--image", "prunegap/stage:test", "--cache")
        environment = {"MLFLOW_TRACKING_URI": server.uri, "PRUNEGAP_PIPELINE_RUN": identifier}
        ended = program("prunegap-pipelines", *words, "--folder", tmp_path / "run", env=environment)
        assert ended.code == 0, ended.err
        runs = [one for one in View(server.uri, name).runs() if one.data.tags["prunegap.pipeline_run"] == identifier]
        (parent,) = [one for one in runs if one.data.tags["prunegap.stage"] == "pipeline"]
        steps = {one.data.tags["prunegap.step"]: one for one in runs if one is not parent}
        assert steps.keys() == {*BEFORE, EVALUATE, "gate", "compare"}
        assert len(steps) == len(runs) - 1, "each once"
        assert {one.data.tags["mlflow.parentRunId"] for one in steps.values()} == {parent.info.run_id}
        assert {one.info.status for one in runs} == {"FINISHED"}
        return ended.done, steps

    done, first = run("first")
    assert {*BEFORE, EVALUATE} <= set(done)
    assert not [step for step, one in first.items() if "prunegap.cached_from" in one.data.tags]

    done, second = run("second", "evaluate.dataset_name=ten digits")
    assert set(done) == {"open-run", "plan-cells", EVALUATE, "gate", "compare", "close-run"}
    cached = {step: one.data.tags["prunegap.cached_from"] for step, one in second.items() if step in BEFORE}
    assert cached == dict.fromkeys(BEFORE, "first")
    assert "prunegap.cached_from" not in second[EVALUATE].data.tags
    for step in BEFORE:
        source, copy = first[step], second[step]
        assert copy.data.tags["prunegap.cached_run"] == source.info.run_id
        assert source.info.run_id in copy.data.tags["mlflow.note.content"]
        assert copy.data.params == source.data.params != {}
        assert copy.data.metrics == source.data.metrics
        assert copy.info.run_name == source.info.run_name
        for tag in ("prunegap.stage", "prunegap.seed", "prunegap.sparsity", "prunegap.method"):
            assert copy.data.tags.get(tag) == source.data.tags.get(tag)
    assert first[FINETUNE].data.metrics

    done, third = run("third", "evaluate.dataset_name=ten digits")
    assert done == ["open-run", "plan-cells", "compare", "close-run"]
    assert {step: one.data.tags.get("prunegap.cached_from") for step, one in third.items()} == {
        **dict.fromkeys(BEFORE, "first"),
        EVALUATE: "second",
        "gate": "second",
        "compare": None,
    }, "the run that did it, not the one that had it last"


@pytest.fixture
def environment(server, monkeypatch, tmp_path, worker_id):
    """Let the environment be that of a task of the pipeline run `now`."""
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "PRUNEGAP_PIPELINE_RUN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"cached-{tmp_path.name}-{worker_id}")
    monkeypatch.setenv("KFP_RUN_ID", "now")
    return f"cached-{tmp_path.name}-{worker_id}"


LINEAGE = {
    "prune": {"pipeline_run": "before", "tags": {"prunegap.stage": "prune"}},
    "evaluate": {"pipeline_run": "now", "tags": {"prunegap.stage": "evaluate"}},
}


def test_a_step_whose_own_run_nobody_has_is_noted_all_the_same_and_once(environment, server):
    for _ in range(2):
        record_cached(LINEAGE)
    (run,) = View(server.uri, environment).runs()
    assert (run.info.run_name, run.info.status) == ("pruned", "FINISHED")
    assert run.data.tags["prunegap.cached_from"] == "before"
    assert run.data.tags["prunegap.stage"] == "prune"
    assert "no record" in run.data.tags["mlflow.note.content"]


def test_a_step_that_the_run_then_does_itself_is_no_longer_called_cached(environment, server, tmp_path):
    record_cached(LINEAGE)
    with stage_tracker(tmp_path / "prune", "prune", {"sparsity": 0.9}, {"prunegap.stage": "prune"}):
        pass
    (run,) = View(server.uri, environment).runs()
    assert "prunegap.cached_from" not in run.data.tags
    assert run.data.params == {"sparsity": "0.9"}


def test_a_server_that_does_not_answer_costs_one_warning(environment, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    said = []
    record_cached(LINEAGE, said.append)
    assert len(said) == 1
    assert "http://127.0.0.1:9" in said[0]
    assert "prune" in said[0]
    record_cached({"evaluate": LINEAGE["evaluate"]}, said.append)
    assert len(said) == 1, "nothing to note, nothing to ask"
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    record_cached(LINEAGE, said.append)
    assert len(said) == 1, "Kubeflow makes these runs itself"
