"""Truth: MLflow's API on the sqlite file, and what a fresh process prints."""

import shutil
import signal
import socket
import subprocess
import sys

import pytest
from mlflow_view import View
from ports import free_port

from prunegap.errors import UserError
from prunegap.tracking.addresses import workspace_uri
from prunegap.tracking.page import serve_ui
from prunegap.tracking.protocol import NullTracker
from prunegap.tracking.session import TrackingSession, upload
from prunegap.tracking.spool import SpooledTracker


@pytest.fixture
def with_tables(tmp_path, tables):
    """Let the workspace have a store already; the first test lets its own be made."""
    shutil.copy(tables, tmp_path)


def session_of(workspace, **options):
    return TrackingSession(workspace, None, "prunegap", "paper", {}, **options)


def test_without_a_server_everything_is_in_the_workspace_even_one_with_spaces(tmp_path, sparse_model):
    workspace = tmp_path / "my räume #1"
    model = sparse_model(workspace / "step" / "model")
    with session_of(workspace) as session, session.step("prune", workspace / "step", {"a": 1}, {}) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
        tracker.log_model(model, "model", {"accuracy": 0.5})
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
        tracker.log_metrics({"accuracy": 0.5})
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert upload(tmp_path, other) == 1
    assert upload(tmp_path, other) == 0
    found = View(other, "prunegap")
    assert found.step("prune").data.params == {"a": "1"}
    assert found.parent().info.status == "FINISHED"


@pytest.mark.usefixtures("with_tables")
def test_a_file_that_is_gone_does_not_keep_the_rest_from_being_sent(tmp_path, sparse_model):
    spool, said = tmp_path / "step" / "tracking.jsonl", []
    with session_of(tmp_path):
        pass
    tracker = SpooledTracker(spool, None)
    tracker.begin("prune", {}, {})
    model = sparse_model(tmp_path / "model")
    tracker.log_artifact(model, "files")
    model.rename(tmp_path / "elsewhere")
    tracker.log_metrics({"accuracy": 0.5})
    tracker.end("FINISHED")
    assert upload(tmp_path, None, said.append) == 1
    assert len(said) == 1
    assert "'files' was not sent" in said[0]
    assert View(workspace_uri(tmp_path), "prunegap").step("prune").data.metrics == {"accuracy": 0.5}


def test_a_disabled_session_writes_nothing(tmp_path):
    with session_of(tmp_path, enabled=False) as session, session.step("prune", tmp_path / "s", {}, {}) as tracker:
        tracker.log_metrics({"accuracy": 0.5})
        assert isinstance(tracker, NullTracker)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_nothing_was_tracked_cannot_be_uploaded(tmp_path):
    with pytest.raises(UserError, match="no tracked run there"):
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
workspace = Path(sys.argv[1])
assert "mlflow" not in sys.modules
(workspace / "table.csv").write_text("a")
with TrackingSession(workspace, None, "prunegap", "paper", {}) as session:
    with session.step("first", workspace / "first", {}, {}) as tracker:
        tracker.log_metrics({"a": 1.0})
    start = time.process_time()
    with session.step("second", workspace / "second", {"a": 1}, {}) as tracker:
        for epoch in range(10):
            tracker.log_metrics({f"group_accuracy/g{group}": 1.0 for group in range(60)}, epoch)
        tracker.log_artifact(workspace / "table.csv", "one.csv")
        tracker.log_artifact(workspace / "table.csv", "two.csv")
        tracker.log_model(workspace / "model", "model", {"accuracy": 0.5})
    print(time.process_time() - start)
"""


@pytest.mark.usefixtures("with_tables")
def test_a_step_costs_well_under_a_second_and_mlflow_says_nothing(tmp_path, sparse_model):
    sparse_model(tmp_path / "model")
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
        tracker.log_artifact(tmp_path / "tracking.json", "tracking.json")
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
