"""Truth: MLflow's API after real processes began at the same moment, were killed, or came late."""

import shutil
import subprocess
import sys

import pytest
from mlflow_view import View

from prunegap.tracking.mlflow_client import connect
from prunegap.tracking.mlflow_runs import find_or_create
from prunegap.tracking.unattended_run import close_pipeline_run, open_pipeline_run

STEP = """
import sys, time
from pathlib import Path
from prunegap.tracking.mlflow_client import connect
from prunegap.tracking.stage import stage_tracker
folder, name, epochs, last_words = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
connect("sqlite://")  # what takes seconds is over before anybody begins
print("ready", flush=True)
sys.stdin.readline()
with stage_tracker(folder, name, {"lr": 0.1, "seed": 7}, {"prunegap.stage": "finetune"}) as tracker:
    for epoch in range(epochs):
        tracker.log_metrics({"accuracy": epoch / 8, "group_accuracy/a (b)": 0.1 * epoch}, epoch)
        time.sleep(2.1 * (epoch == epochs - 1))
        tracker.log_metrics({"accuracy": epoch / 8}, epoch)  # sends what waits
    print(last_words, flush=True)
    sys.stdin.readline()
"""
RUN = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


@pytest.fixture
def experiment(server, tmp_path, monkeypatch):
    """Let child processes be containers of one pipeline run; return the experiment's name."""
    name = f"test-{tmp_path.name}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    monkeypatch.setenv("KFP_RUN_ID", RUN)
    monkeypatch.setenv("KFP_RUN_URL", f"/#/runs/details/{RUN}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    return name


@pytest.fixture
def container(tmp_path):
    """Return a function that starts a step as a process and waits until it stands at its start."""
    started = []

    def start(step: str, folder: str, epochs: int = 1):
        command = [sys.executable, "-W", "ignore", "-c", STEP, str(tmp_path / folder), step, str(epochs), "logged"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(*processes):
    """Let processes that are ready begin, all at once."""
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def finish(*processes, may_be_told=""):
    for process in processes:
        out, err = process.communicate("end\n")
        said = [line for line in err.splitlines() if not (may_be_told and may_be_told in line)]
        assert (process.returncode, said) == (0, []), out + err


@pytest.mark.slow
def test_steps_that_begin_at_the_same_moment_share_one_experiment_one_parent_and_have_one_run_each(
    server, experiment, container
):
    opened = open_pipeline_run()
    names = ["a", "b", "c", "d", "e", "f"]
    steps = [container(name, f"folder-{name}") for name in names]
    go(*steps)
    finish(*steps)
    assert opened == f"MLflow's run of '{RUN}' is RUNNING"
    found = View(server.uri, experiment)
    assert len(found.runs()) == 7
    parent = found.parent()
    assert {found.step(name).data.tags["mlflow.parentRunId"] for name in names} == {parent.info.run_id}
    assert {found.step(name).data.tags["kfp.pipeline_run_id"] for name in names} == {RUN}
    assert parent.data.tags["kfp.pipeline_run_url"] == f"/#/runs/details/{RUN}"
    assert parent.info.run_name == f"{experiment}-0f1e2d3c"
    assert {found.step(name).data.metrics["accuracy"] for name in names} == {0.0}


@pytest.mark.slow
def test_steps_that_begin_at_the_same_moment_and_find_no_parent_end_below_one(server, experiment, container):
    steps = [container(name, f"folder-{name}") for name in "abc"]
    go(*steps)
    finish(*steps)
    assert close_pipeline_run("FINISHED") == f"MLflow's run of '{RUN}' is FINISHED"
    found = View(server.uri, experiment)
    assert len(found.runs()) == 4
    assert {found.step(name).data.tags["mlflow.parentRunId"] for name in "abc"} == {found.parent().info.run_id}


@pytest.mark.slow
def test_two_attempts_at_one_step_at_the_same_moment_leave_no_wrong_record(server, experiment, container):
    open_pipeline_run()
    steps = [container("a", f"folder{number}", epochs=2) for number in range(2)]
    go(*steps)
    # One gives way to the other, and may be about to log to its own run then: it says so, and sends it at its end.
    finish(*steps, may_be_told="must be in the 'active' state")
    found = View(server.uri, experiment)
    parent = found.parent().info.run_id
    attempts = [run for run in found.runs() if run.info.run_id != parent]
    assert attempts
    for run in attempts:
        assert (run.info.status, run.data.tags["mlflow.parentRunId"]) == ("FINISHED", parent)
        assert (run.data.params, run.data.metrics["accuracy"]) == ({"lr": "0.1", "seed": "7"}, 1 / 8)


@pytest.mark.slow
def test_a_step_whose_container_was_killed_is_taken_up_by_its_retry_without_ghosts_or_doubled_metrics(
    server, experiment, container
):
    open_pipeline_run()
    first = container("finetune", "first", epochs=3)
    go(first)
    assert first.stdout.readline() == "logged\n"
    first.kill()
    first.wait()
    left = View(server.uri, experiment).step("finetune")
    assert (left.info.status, left.data.metrics["accuracy"]) == ("RUNNING", 2 / 8)
    retry = container("finetune", "retry", epochs=5)
    go(retry)
    finish(retry)
    found = View(server.uri, experiment)
    assert len(found.runs()) == 2
    step = found.step("finetune")
    assert step.info.status == "FINISHED"
    assert (step.data.params["lr"], step.data.params["seed"]) == ("0.1", "7")
    for key in ("accuracy", "group_accuracy/a _b_"):
        history = found.client.get_metric_history(step.info.run_id, key)
        assert sorted(point.step for point in history) == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_a_retried_task_of_kubeflows_integration_goes_on_in_the_run_it_is_given_with_the_same_tags(
    server, experiment, container, monkeypatch
):
    client = connect(server.uri)
    experiment_id = client.create_experiment(experiment)
    kubeflow = {"kfp.pipeline_run_id": RUN, "kfp.pipeline_run_url": f"/#/runs/details/{RUN}"}
    parent = client.create_run(experiment_id, tags=kubeflow, run_name="kubeflow's parent").info.run_id
    nested = client.create_run(experiment_id, tags={**kubeflow, "mlflow.parentRunId": parent}).info.run_id
    monkeypatch.delenv("KFP_RUN_ID")
    monkeypatch.setenv("MLFLOW_RUN_ID", nested)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment_id)
    client.log_param(nested, "lr", "0.5")
    for folder in ("first", "retry"):
        step = container("finetune", folder)
        go(step)
        finish(step)
    found = View(server.uri, experiment)
    assert {run.info.run_id for run in found.runs()} == {parent, nested}
    assert found.parent().info.run_id == parent
    step = found.step("finetune")
    assert (step.info.run_id, step.info.status, step.data.params["lr"]) == (nested, "FINISHED", "0.5")
    assert step.data.tags["prunegap.changed.lr"] == "0.1"
    for run in (step, found.parent()):
        assert run.data.tags["prunegap.pipeline_run"] == RUN
        assert {key: run.data.tags[key] for key in kubeflow} == kubeflow


IDENTITY = {"prunegap.pipeline_run": "r", "prunegap.stage": "pipeline"}


@pytest.fixture
def store(tmp_path, tables):
    """Return a client of a sqlite file, an experiment there, and a function that creates a run in it."""
    client = connect(f"sqlite:///{shutil.copy(tables, tmp_path)}")
    experiment_id = client.create_experiment("x", tmp_path.as_uri())
    return client, experiment_id, lambda start_time: client.create_run(experiment_id, start_time, tags=IDENTITY)


def test_a_run_that_is_there_is_found_the_oldest_of_several(store):
    client, experiment_id, create = store
    create(2000)
    old = create(1000)
    run, was_there = find_or_create(client, experiment_id, IDENTITY, lambda: pytest.fail("one is there"))
    assert (run.info.run_id, was_there) == (old.info.run_id, True)


def test_of_two_runs_created_at_one_moment_the_younger_is_deleted_by_its_creator(store):
    client, experiment_id, create = store
    theirs = []

    def mine():
        theirs.append(create(1000))
        return create(2000)

    run, was_there = find_or_create(client, experiment_id, IDENTITY, mine)
    assert (run.info.run_id, was_there) == (theirs[0].info.run_id, True)
    assert [found.info.run_id for found in client.search_runs([experiment_id])] == [run.info.run_id]
