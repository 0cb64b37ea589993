"""Truth: what MLflow's own API answers after steps that ran alone, in containers, told by their environment."""

import pytest
from tracking.one_step import NAME, TAGS
from tracking.sealed import Figures, seal_and_tell

from prunegap.errors import UserError
from prunegap.tracking.session import upload
from prunegap.tracking.stage import stage_tracker
from prunegap.tracking.unattended_run import close_pipeline_run, open_pipeline_run


def test_a_step_in_a_container_logs_to_the_run_it_is_given(server, open_session, view, tmp_path, monkeypatch):
    with open_session(server.uri):
        pass
    given = view(server.uri).parent().info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    with stage_tracker(tmp_path / "step", NAME, {"lr": 1}, TAGS) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
    (run,) = view(server.uri).runs()
    assert (run.info.run_id, run.data.metrics, run.data.params) == (
        given,
        {"accuracy": 0.5},
        {"lr": "1", "method": "ceag", "method_or_label": "ceag", "seed": "0", "sparsity": "0.9"},
    )


@pytest.fixture
def pipeline_run(server, tmp_path, monkeypatch):
    """Let the environment be that of a step in a container of one pipeline run."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{tmp_path.name}")
    monkeypatch.setenv("PRUNEGAP_PIPELINE_RUN", "compose-7")


def take_steps(tmp_path, *names):
    for name in names:
        with stage_tracker(tmp_path / name, name, {}, {}) as tracker:
            tracker.log_metrics({"accuracy": 0.5})


@pytest.mark.usefixtures("pipeline_run")
def test_steps_in_containers_share_the_parent_of_their_pipeline_run(server, view, tmp_path):
    assert (open_pipeline_run(), open_pipeline_run()) == ("MLflow's run of 'compose-7' is RUNNING",) * 2
    take_steps(tmp_path, "prune", "evaluate")
    found = view(server.uri)
    parent = found.parent().info.run_id
    assert len(found.runs()) == 3
    assert {found.step(name).data.tags["mlflow.parentRunId"] for name in ("prune", "evaluate")} == {parent}


@pytest.mark.usefixtures("pipeline_run")
@pytest.mark.parametrize("adopt", [open_pipeline_run, lambda: close_pipeline_run("FINISHED")], ids=["open", "close"])
def test_steps_that_find_no_parent_make_none_and_get_one_from_what_opens_or_closes_the_run(
    server, view, tmp_path, adopt
):
    take_steps(tmp_path, "prune", "evaluate")
    found = view(server.uri)
    assert {run.info.run_name for run in found.runs()} == {"prune", "evaluate"}
    assert not any("mlflow.parentRunId" in run.data.tags for run in found.runs())
    adopt()
    parent = found.parent()
    assert (len(found.runs()), parent.info.run_name) == (3, "compose-7")
    assert {found.step(name).data.tags["mlflow.parentRunId"] for name in ("prune", "evaluate")} == {parent.info.run_id}
    assert parent.info.start_time == min(found.step(name).info.start_time for name in ("prune", "evaluate"))


def test_a_step_in_a_container_goes_on_without_its_server(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    said = []
    with stage_tracker(tmp_path / "step", NAME, {}, TAGS, warn=said.append) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
    assert len(said) == 1
    assert "http://127.0.0.1:9 cannot be reached (connection refused)" in said[0]


@pytest.mark.usefixtures("pipeline_run")
def test_steps_in_containers_that_had_no_server_are_uploaded_from_their_workspace(server, view, tmp_path, monkeypatch):
    workspace, said = tmp_path / "runs", []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with stage_tracker(
        workspace / "prune", "prune", {"lr": 1}, {"prunegap.stage": "prune"}, warn=said.append
    ) as tracker:
        seal_and_tell(tracker, workspace / "prune" / "history", Figures([(0, {"accuracy": 0.5})]))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    assert (upload(workspace, None), upload(workspace, None)) == (1, 0)
    assert close_pipeline_run("FINISHED") == "MLflow's run of 'compose-7' is FINISHED"
    found = view(server.uri)
    step = found.step("prune")
    assert (step.info.status, step.data.params, step.data.metrics) == ("FINISHED", {"lr": "1"}, {"accuracy": 0.5})
    assert step.data.tags["mlflow.parentRunId"] == found.parent().info.run_id
    monkeypatch.delenv("PRUNEGAP_PIPELINE_RUN")
    assert upload(workspace, None) == 0, "the workspace knows which run it is"
    with pytest.raises(UserError, match="no step of a run there"):
        upload(tmp_path / "elsewhere", None)


@pytest.mark.slow
def test_a_step_that_began_without_its_server_is_told_whole_if_it_is_there_at_the_end(
    mortal_server, view, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mortal_server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{tmp_path.name}")
    mortal_server.kill()
    said = []
    with stage_tracker(tmp_path / "step", NAME, {"lr": 1}, TAGS, warn=said.append) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
        mortal_server.start()
    step = view(mortal_server.uri).step(NAME)
    assert (step.info.status, step.data.metrics) == ("FINISHED", {"accuracy": 0.5})
    assert step.data.params == {"lr": "1", "method": "ceag", "method_or_label": "ceag", "seed": "0", "sparsity": "0.9"}
    assert len(said) == 1


def test_the_run_named_in_the_environment_is_the_parent(server, open_session, view, tmp_path, monkeypatch):
    with open_session(server.uri):
        pass
    given = view(server.uri).parent().info.run_id
    (tmp_path / "ws" / "tracking.json").unlink()
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    with open_session(server.uri) as session, session.step(NAME, tmp_path / "ws" / "step", {}, TAGS):
        pass
    assert view(server.uri).step(NAME).data.tags["mlflow.parentRunId"] == given
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with pytest.raises(UserError, match="MLFLOW_RUN_ID names run '0000"):
        open_session(server.uri).__enter__()
