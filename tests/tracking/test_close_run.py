"""Truth: what MLflow's API says of the runs after ``prunegap open-run`` and ``close-run``, and what they printed."""

import json
import shutil
import subprocess
import sys

import pytest
from mlflow_view import View

from prunegap.cli.entry import cli
from prunegap.tracking.stage import stage_tracker

FINAL = {
    "state": "FAILED",
    "pipelineTaskName": "exit-handler-1",
    "error": {"code": 9, "message": "finetune-seed0: out of memory"},
}


@pytest.fixture
def pipeline_run(server, tmp_path, monkeypatch):
    """Let the environment be that of a step in a container; return what looks at its runs."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{tmp_path.name}")
    monkeypatch.setenv("KFP_RUN_ID", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
    return lambda: View(server.uri, f"test-{tmp_path.name}")


@pytest.fixture
def command(capfd):
    """Return a function that runs a command and returns the one line it printed."""

    def run(*words: str) -> str:
        capfd.readouterr()
        cli.main(list(words), standalone_mode=False)
        (line,) = capfd.readouterr().err.splitlines()
        return line

    return run


@pytest.fixture
def open_run(command):
    """Return a function that opens the run."""
    return lambda: command("open-run")


@pytest.fixture
def close_run(command):
    """Return a function that closes the run."""
    return lambda status: command("close-run", status)


def take_step(tmp_path, name="prune"):
    with stage_tracker(tmp_path / name, name, {"sparsity": 0.5}, {"prunegap.stage": name}):
        pass


def abandon_step(tmp_path, name):
    """Open a step's run and never close it, as a container that is killed does."""
    tracked = stage_tracker(tmp_path / name, name, {}, {"prunegap.stage": name})
    tracked.__enter__()
    return tracked


def test_a_finished_run_is_closed_once_and_its_name_says_which_it_is(pipeline_run, open_run, close_run, tmp_path):
    assert open_run() == "MLflow's run of '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0' is RUNNING"
    take_step(tmp_path)
    assert pipeline_run().parent().info.status == "RUNNING"
    said = close_run("FINISHED")
    parent = pipeline_run().parent()
    assert parent.info.status == "FINISHED"
    assert said == "MLflow's run of '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0' is FINISHED"
    assert parent.info.run_name == f"test-{tmp_path.name}-0f1e2d3c"
    assert close_run('{"state": "SUCCEEDED"}') == said
    assert pipeline_run().parent().info.end_time == parent.info.end_time


def test_a_failed_run_says_why_and_the_steps_of_dead_containers_are_killed(pipeline_run, open_run, close_run, tmp_path):
    open_run()
    take_step(tmp_path)
    left = abandon_step(tmp_path, "finetune")
    assert "now KILLED: 1" in close_run(json.dumps(FINAL))
    found = pipeline_run()
    assert found.parent().info.status == "FAILED"
    assert found.parent().data.tags["prunegap.error"] == "finetune-seed0: out of memory"
    assert (found.step("prune").info.status, found.step("finetune").info.status) == ("FINISHED", "KILLED")
    assert "now KILLED" not in close_run(json.dumps(FINAL))
    left.__exit__(None, None, None)


def test_a_step_that_is_done_again_after_closing_opens_the_run_again(pipeline_run, open_run, close_run, tmp_path):
    open_run()
    take_step(tmp_path)
    close_run("FAILED")
    take_step(tmp_path, "evaluate")
    assert pipeline_run().parent().info.status == "RUNNING"
    close_run("FINISHED")
    assert len(pipeline_run().runs()) == 3
    assert {run.info.status for run in pipeline_run().runs()} == {"FINISHED"}


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("KILLED", "KILLED"),
        ('{"state": "CANCELLED", "pipeline_task_name": "x", "error_message": "stopped by a person"}', "KILLED"),
        ('{"state": "Succeeded", "error": null}', "FINISHED"),
        ('{"state": "FAILED", "errorMessage": "no image"}', "FAILED"),
    ],
)
def test_every_way_to_say_it_is_understood(pipeline_run, close_run, tmp_path, told, status):
    take_step(tmp_path)
    close_run(told)
    parent = pipeline_run().parent()
    assert parent.info.status == status
    message = next((text for text in ("stopped by a person", "no image") if text in told), None)
    assert parent.data.tags.get("prunegap.error") == message


def test_a_run_that_is_opened_again_after_closing_is_the_same_one(pipeline_run, open_run, close_run):
    open_run()
    close_run("FAILED")
    open_run()
    assert pipeline_run().parent().info.status == "RUNNING"


def test_what_is_not_tracked_or_unknown_needs_no_closing_and_no_opening(
    server, open_run, close_run, tmp_path, monkeypatch
):
    assert "MLFLOW_TRACKING_URI is not set" in open_run()
    assert "MLFLOW_TRACKING_URI is not set" in close_run("FINISHED")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    assert "neither PRUNEGAP_PIPELINE_RUN nor KFP_RUN_ID" in close_run("FINISHED")
    assert "neither PRUNEGAP_PIPELINE_RUN nor KFP_RUN_ID" in open_run()
    monkeypatch.setenv("PRUNEGAP_PIPELINE_RUN", "compose-7")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{tmp_path.name}")
    assert f"no run of 'compose-7' in experiment 'test-{tmp_path.name}'" in close_run("FINISHED")


def test_the_parent_of_kubeflows_own_integration_is_left_to_kubeflow(pipeline_run, open_run, close_run, monkeypatch):
    open_run()
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert "Kubeflow made the MLflow run" in close_run("FAILED")
    assert "Kubeflow made the MLflow run" in open_run()
    assert pipeline_run().parent().info.status == "RUNNING"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "localhost:5000"])
def test_a_server_that_does_not_answer_is_one_warning_and_no_failure(open_run, close_run, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("PRUNEGAP_PIPELINE_RUN", "compose-7")
    line = close_run("FAILED")
    assert line.startswith("warning: MLflow's run of 'compose-7' is left open: ")
    assert uri in line
    assert "MLFLOW_TRACKING_URI" in line
    line = open_run()
    assert line.startswith("warning: MLflow's run of 'compose-7' is not opened: ")
    assert uri in line


@pytest.mark.slow
def test_as_a_process_it_opens_and_closes_the_run_of_a_sqlite_file_too(tmp_path, monkeypatch, tables):
    uri = f"sqlite:///{shutil.copy(tables, tmp_path)}"
    for name, value in (("MLFLOW_TRACKING_URI", uri), ("PRUNEGAP_PIPELINE_RUN", "compose-7")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "sqlite")
    for words, status in ((["open-run"], "RUNNING"), (["close-run", "FAILED"], "FAILED")):
        command = [sys.executable, "-m", "prunegap", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == f"MLflow's run of 'compose-7' is {status}\n"
        assert View(uri, "sqlite").parent().info.status == status


WITHOUT_MLFLOW = """
import sys
from prunegap.cli.entry import cli
try:
    cli.main(sys.argv[1:], standalone_mode=False)
except Exception as refusal:
    print(refusal)
print([name for name in ("mlflow", "torch") if name in sys.modules])
"""


@pytest.mark.parametrize("words", [["open-run"], ["close-run", "FAILED"], ["upload", "nothing"]])
def test_where_there_is_nothing_to_do_neither_mlflow_nor_torch_is_imported(words, tmp_path):
    command = [sys.executable, "-c", WITHOUT_MLFLOW, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"
