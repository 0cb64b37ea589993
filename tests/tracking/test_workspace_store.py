"""Truth: MLflow's API on the sqlite file, and what a fresh process prints."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest
from mlflow_view import View
from ports import free_port
from tracking.sealed import Figures, Network, seal_and_tell, sealed

from prunegap.errors import UserError
from prunegap.tracking.addresses import workspace_uri
from prunegap.tracking.page import serve_ui
from prunegap.tracking.protocol import NullTracker
from prunegap.tracking.session import TrackingSession, upload


@pytest.fixture
def with_tables(tmp_path, tables, monkeypatch):
    """Let the workspace, and another address in it, have a store already; the first test lets its own be made."""
    shutil.copy(tables, tmp_path)
    shutil.copy(tables, tmp_path / "other.db")
    monkeypatch.chdir(tmp_path)  # where MLflow keeps the files of an address without a place for them


def session_of(workspace, **options):
    return TrackingSession(workspace, None, "prunegap", "paper", {}, **options)


def test_without_a_server_everything_is_in_the_workspace_even_one_with_spaces(tmp_path):
    workspace = tmp_path / "my räume #1"
    with session_of(workspace) as session, session.step("prune", workspace / "step", {"a": 1}, {}) as tracker:
        seal_and_tell(tracker, workspace / "step" / "model", Network(points=[(0, {"accuracy": 0.5})]))
    found = View(workspace_uri(workspace), "prunegap")
    assert found.step("prune").data.metrics["accuracy"] == 0.5
    (logged,) = found.models()
    masks = workspace / "mlartifacts" / "models" / logged.model_id / "artifacts" / "masks.safetensors"
    assert masks.read_bytes() == b"masks"
    assert upload(workspace, None) == 0


@pytest.mark.usefixtures("with_tables")
def test_a_second_run_in_the_workspace_goes_on_in_the_same_parent(tmp_path):
    for step in ("prune", "evaluate"):
        with session_of(tmp_path) as session, session.step(step, tmp_path / step, {}, {}):
            assert View(workspace_uri(tmp_path), "prunegap").step(step).info.status == "RUNNING"
    found = View(workspace_uri(tmp_path), "prunegap")
    parent = found.parent().info.run_id
    assert {found.step(name).data.tags["mlflow.parentRunId"] for name in ("prune", "evaluate")} == {parent}


@pytest.mark.usefixtures("with_tables")
def test_a_run_of_the_workspace_can_be_sent_to_another_address_whole(tmp_path):
    with session_of(tmp_path) as session, session.step("prune", tmp_path / "prune", {"a": 1}, {}) as tracker:
        seal_and_tell(tracker, tmp_path / "prune" / "history", Figures([(0, {"accuracy": 0.5})]))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert upload(tmp_path, other) == 1
    assert upload(tmp_path, other) == 0
    found = View(other, "prunegap")
    sent, kept = found.step("prune"), View(workspace_uri(tmp_path), "prunegap").step("prune")
    assert (sent.data.params, sent.data.metrics) == ({"a": "1"}, {"accuracy": 0.5})
    assert sent.info.end_time == kept.info.end_time
    assert found.parent().info.status == "FINISHED"


@pytest.mark.usefixtures("with_tables")
def test_an_artifact_that_is_damaged_is_named_and_does_not_keep_the_rest_from_being_sent(tmp_path):
    with session_of(tmp_path) as session, session.step("prune", tmp_path / "prune", {}, {}) as tracker:
        for name in ("a", "b", "c"):
            seal_and_tell(tracker, tmp_path / "prune" / name, Figures([(0, {name: 0.5})]))
    (tmp_path / "prune" / "b" / "points.json").write_text("[]")
    other, said = f"sqlite:///{tmp_path / 'other.db'}", []
    assert upload(tmp_path, other, said.append) == 1
    (line,) = said
    assert line.startswith("not sent: ")
    assert str(tmp_path / "prune" / "b") in line
    assert View(other, "prunegap").step("prune").data.metrics == {"a": 0.5, "c": 0.5}


@pytest.mark.usefixtures("with_tables")
@pytest.mark.parametrize(
    ("status", "expected"), [("RUNNING", "RUNNING"), ("FAILED", "KILLED"), ("FINISHED", "FINISHED")]
)
def test_a_step_whose_process_died_is_told_as_its_pipeline_run_says(tmp_path, status, expected):
    with session_of(tmp_path) as session, session.step("prune", tmp_path / "prune", {}, {}) as tracker:
        seal_and_tell(tracker, tmp_path / "prune" / "history", Figures([(0, {"accuracy": 0.5})]))
    for name, changed in (("prune/tracked-step.json", {"status": "RUNNING", "ended": None}), ("tracking.json", {})):
        file = tmp_path / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"status": status} | changed))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert upload(tmp_path, other) == 1
    found = View(other, "prunegap")
    step = found.step("prune")
    assert (found.parent().info.status, step.info.status) == (status, expected)
    assert {run.info.end_time is None for run in (found.parent(), step)} == {expected == "RUNNING"}
    assert step.data.metrics == ({"accuracy": 0.5} if expected == "FINISHED" else {})


@pytest.mark.usefixtures("with_tables")
def test_a_step_that_was_done_again_unseen_is_told_again(tmp_path):
    file, folder = tmp_path / "prune/tracked-step.json", tmp_path / "prune" / "history"
    with session_of(tmp_path) as session, session.step("prune", tmp_path / "prune", {"a": 1}, {}) as tracker:
        seal_and_tell(tracker, folder, Figures([(0, {"accuracy": 0.5})]))
    sealed(folder, Figures([(0, {"accuracy": 0.75})]))
    assert upload(tmp_path, None) == 1
    file.write_text(json.dumps(json.loads(file.read_text()) | {"parameters": {"a": "2"}}))
    assert (upload(tmp_path, None), upload(tmp_path, None)) == (1, 0)
    step = View(workspace_uri(tmp_path), "prunegap").step("prune")
    assert step.data.metrics == {"accuracy": 0.75}
    assert step.data.tags["prunegap.changed.a"] == "2"


@pytest.mark.usefixtures("with_tables")
def test_the_next_run_of_the_workspace_tells_of_a_step_that_died_when_it_had_sealed_everything(tmp_path):
    with session_of(tmp_path) as session, session.step("prune", tmp_path / "prune", {}, {}) as tracker:
        seal_and_tell(tracker, tmp_path / "prune" / "history", Figures([(0, {"accuracy": 0.5})]))
    file, found = tmp_path / "prune/tracked-step.json", View(workspace_uri(tmp_path), "prunegap")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "RUNNING", "ended": None}))
    found.client.update_run(found.step("prune").info.run_id, status="RUNNING")
    with session_of(tmp_path):
        pass
    assert found.step("prune").info.status == "FINISHED"
    assert upload(tmp_path, None) == 0


@pytest.mark.usefixtures("with_tables")
def test_a_step_that_failed_is_not_told_of_what_an_earlier_attempt_sealed(tmp_path):
    step = ("prune", tmp_path / "prune", {}, {})
    with session_of(tmp_path) as session, session.step(*step) as tracker:
        seal_and_tell(tracker, tmp_path / "prune" / "history", Figures([(0, {"accuracy": 0.5})]))
    with contextlib.suppress(ValueError), session_of(tmp_path) as session, session.step(*step):
        raise ValueError
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert upload(tmp_path, other) == 1
    step = View(other, "prunegap").step("prune")
    assert (step.info.status, step.data.metrics) == ("FAILED", {})


def test_a_disabled_session_writes_only_what_the_step_was(tmp_path):
    with session_of(tmp_path, enabled=False) as session, session.step("prune", tmp_path / "s", {}, {}) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
        assert isinstance(tracker, NullTracker)
    assert [path.name for path in tmp_path.rglob("*")] == ["s", "tracked-step.json"]


def test_a_folder_where_nothing_was_tracked_cannot_be_uploaded(tmp_path):
    with pytest.raises(UserError, match="no step of a run there"):
        upload(tmp_path, None)


def test_a_workspace_path_that_an_address_cannot_hold_is_refused(tmp_path):
    with pytest.raises(UserError, match="'\\?' or '%' in its path"):
        session_of(tmp_path / "why?")


@pytest.mark.usefixtures("with_tables")
def test_a_deleted_experiment_is_refused_by_name(tmp_path):
    with session_of(tmp_path):
        pass
    found = View(workspace_uri(tmp_path), "prunegap")
    found.client.delete_experiment(found.experiment_id)
    with pytest.raises(UserError, match="experiment 'prunegap' was deleted"):
        session_of(tmp_path).__enter__()


SCRIPT = """
import sys, time
from pathlib import Path
from prunegap.tracking.session import TrackingSession
assert not {"mlflow", "torch"} & set(sys.modules)
from tracking.sealed import Figures, Network, seal_and_tell, sealed
workspace = Path(sys.argv[1])
with TrackingSession(workspace, None, "prunegap", "paper", {}) as session:
    with session.step("first", workspace / "first", {}, {}) as tracker:
        tracker.log_metrics({"a": 1.0})
    start = time.process_time()
    with session.step("second", workspace / "second", {"a": 1}, {}) as tracker:
        for epoch in range(10):
            tracker.log_metrics({f"group_accuracy/g{group}": 1.0 for group in range(60)}, epoch)
        for name, artifact in (("one", Figures([])), ("two", Figures([])), ("model", Network())):
            seal_and_tell(tracker, workspace / "second" / name, artifact)
    print(time.process_time() - start)
"""


@pytest.mark.usefixtures("with_tables")
def test_a_step_costs_well_under_a_second_and_mlflow_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = [sys.executable, "-W", "default", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert float(done.stdout) < 1.0


def test_the_page_needs_a_store_and_a_free_port(tmp_path):
    with pytest.raises(UserError, match=r"no mlflow\.db there"):
        serve_ui(tmp_path, 5000)
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} cannot be used"):
            serve_ui(tmp_path, port)
    with pytest.raises(UserError, match="between 1 and 65535, got 70000"):
        serve_ui(tmp_path, 70000)


PAGE = """
import signal, sys
from pathlib import Path
from prunegap.tracking.page import serve_ui
serve_ui(Path(sys.argv[1]), int(sys.argv[2]), lambda line: print(line, end="", flush=True))
"""


@pytest.mark.slow
def test_the_page_shows_the_runs_of_the_workspace_until_it_is_interrupted(tmp_path):
    with session_of(tmp_path) as session, session.step("prune", tmp_path / "prune", {"a": 1}, {}) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
    port = free_port()
    command = [sys.executable, "-c", PAGE, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as page:
        line = page.stdout.readline() if page.stdout else ""
        assert f"http://127.0.0.1:{port}" in line
        found = View(f"http://127.0.0.1:{port}", "prunegap")
        assert found.step("prune").data.params == {"a": "1"}
        page.send_signal(signal.SIGINT)
        assert page.wait() == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
