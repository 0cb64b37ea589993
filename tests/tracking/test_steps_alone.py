"""Truth: what MLflow's own API answers after steps that ran alone, in containers, told by their environment."""

import pytest
from tracking.one_step import NAME, TAGS

from prunegap.errors import UserError
from prunegap.tracking.stage import stage_tracker


def test_a_step_in_a_container_logs_to_the_run_it_is_given(server, open_session, view, tmp_path, monkeypatch):
    with open_session(server.uri):
        pass
    given = view(server.uri).parent().info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    with stage_tracker(tmp_path / "step", NAME, {"lr": 1}, TAGS) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
    (run,) = view(server.uri).runs()
    assert (run.info.run_id, run.data.metrics, run.data.params) == (given, {"accuracy": 0.5}, {"lr": "1"})


def test_steps_in_containers_share_the_parent_of_their_pipeline_run(server, view, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{tmp_path.name}")
    monkeypatch.setenv("PRUNEGAP_PIPELINE_RUN", "compose-7")
    for name in ("prune", "evaluate"):
        with stage_tracker(tmp_path / name, name, {}, {}) as tracker:
            tracker.log_metrics({"accuracy": 0.5})
    found = view(server.uri)
    parent = found.parent().info.run_id
    assert len(found.runs()) == 3
    assert {found.step(name).data.tags["mlflow.parentRunId"] for name in ("prune", "evaluate")} == {parent}


def test_a_step_in_a_container_goes_on_without_its_server(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    said = []
    with stage_tracker(tmp_path / "step", NAME, {}, TAGS, said.append) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
    assert len(said) == 1
    assert "127.0.0.1:9" in said[0]


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
