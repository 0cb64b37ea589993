"""Truth: MLflow's API after processes died at chosen moments; what a step sealed decides, not how its process ended."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from mlflow_view import View
from tracking import sealed as kinds
from tracking.sealed import Figures, Network, epochs, seal_and_tell, sealed

from prunegap.artifacts.manifest import write_json
from prunegap.tracking.session import TrackingSession, upload
from prunegap.tracking.tracked_step import FILE, Step, as_sealed, note_done, write_step


@pytest.fixture
def workspace(tmp_path, tables, monkeypatch):
    """Return a workspace with a store; another address beside it has tables too."""
    (tmp_path / "ws").mkdir()
    shutil.copy(tables, tmp_path / "ws")
    shutil.copy(tables, tmp_path / "other.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ws"


def stamped(folder, artifact, began: int):
    """Seal an artifact that says when it was begun, as a stage's does."""
    path = sealed(folder, artifact)
    manifest = json.loads((path / "manifest.json").read_text())
    when = datetime.fromtimestamp(began / 1000, UTC).isoformat(timespec="milliseconds")
    write_json(path / "manifest.json", manifest | {"made_on": {"began": when, "seconds": 1.5}})
    return path


def outputs(folder):
    return {name: folder / name for name in ("history", "model")}


@pytest.mark.parametrize("status", ["RUNNING", "KILLED", "FAILED"])
@pytest.mark.parametrize(
    ("begun_after", "sealed_names", "finished"),
    [(0, ["history", "model"], True), (0, ["history"], False), (-1, ["history", "model"], False), (0, [], False)],
)
def test_a_step_is_finished_if_this_attempt_at_it_sealed_every_output(
    tmp_path, status, begun_after, sealed_names, finished
):
    step = Step.beginning("prune", tmp_path, {}, {}, outputs(tmp_path))
    for name in sealed_names:
        stamped(tmp_path / name, Figures([]), step.began + begun_after)
    found = as_sealed(step.over(status), tmp_path)
    assert found.status == ("FINISHED" if finished else status)
    assert not finished or found.ended == step.began + 1500


def test_a_run_that_died_after_sealing_is_uploaded_as_finished_and_one_that_died_before_as_killed(workspace, tmp_path):
    for name, names in (("done", ["history", "model"]), ("dead", ["history"])):
        folder = workspace / name
        step = Step.beginning(name, folder, {"a": 1}, {}, outputs(folder))
        write_step(folder, step)
        for one in names:
            stamped(folder / one, Figures([(0, {one: 0.5})]), step.began)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert (upload(workspace, other), upload(workspace, other)) == (2, 0), "a workspace that nothing ever tracked"
    found = View(other, workspace.name)
    assert (found.parent().info.status, found.parent().info.run_name) == ("KILLED", workspace.name)
    assert (found.step("done").info.status, found.step("dead").info.status) == ("FINISHED", "KILLED")
    assert found.step("done").data.metrics == {"history": 0.5, "model": 0.5}


def test_a_step_that_is_up_to_date_after_an_attempt_with_other_settings_was_killed_is_told_as_it_is(workspace):
    folder = workspace / "prune"
    for value, dies in ((1, False), (2, True)):
        with TrackingSession(workspace, None, "prunegap", "paper", {}) as session:
            step = ("prune", folder, {"a": value}, {}, outputs(folder))
            if dies:
                with pytest.raises(KeyboardInterrupt), session.step(*step):
                    raise KeyboardInterrupt
                continue
            with session.step(*step) as tracker:
                seal_and_tell(tracker, folder / "history", Figures(epochs(range(2))))
                seal_and_tell(tracker, folder / "model", Network())
    found = View(f"sqlite:///{workspace / 'mlflow.db'}", "prunegap")
    assert found.step("prune").info.status == "KILLED"
    with TrackingSession(workspace, None, "prunegap", "paper", {}) as session:
        session.up_to_date("prune", folder, {"a": 1}, {}, outputs(folder))
    assert found.step("prune").info.status == "FINISHED"
    assert json.loads((folder / FILE).read_text())["parameters"] == {"a": "1"}


def test_several_steps_in_one_folder_keep_a_file_each_and_are_told_of_their_own_outputs(workspace, tmp_path):
    for name, output in (("prepare", "history"), ("train", "model")):
        sealed(workspace / output, Figures([(0, {output: 0.5})]))
        note_done(workspace, Step.beginning(name, workspace, {}, {}, {output: workspace / output}), pytest.fail)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert upload(workspace, other) == 2
    found = View(other, workspace.name)
    assert found.step("prepare").data.metrics == {"history": 0.5}
    assert found.step("train").data.metrics == {"model": 0.5}


def test_a_curve_whose_names_were_not_yet_told_is_completed_and_not_drawn_twice(workspace):
    """The process dies between the first points and the rest: groups' real names are there before their points."""
    folder = workspace / "prune"
    arguments = ("prune", folder, {}, {}, {"history": folder / "history"})
    with (
        TrackingSession(workspace, None, "prunegap", "paper", {}) as session,
        pytest.MonkeyPatch.context() as patch,
        session.step(*arguments) as tracker,
    ):
        patch.setattr("mlflow.MlflowClient.log_batch", failing(after="log_batch", when="metrics"))
        seal_and_tell(tracker, folder / "history", Figures(epochs(range(2))))
    found = View(f"sqlite:///{workspace / 'mlflow.db'}", "prunegap")
    with TrackingSession(workspace, None, "prunegap", "paper", {}) as session:
        session.up_to_date(*arguments)
    run = found.step("prune")
    assert len(run.data.metrics) == len(kinds.GROUPS)
    history = found.client.get_metric_history(run.info.run_id, "group_accuracy/g7 _x_")
    assert sorted(point.step for point in history) == [0, 1]


def failing(after: str, when: str):
    """Return MLflow's own method, which does what it is told and then loses the answer."""
    from mlflow import MlflowClient

    real = getattr(MlflowClient, after)

    def lose(*words, **named):
        answer = real(*words, **named)
        if named.get(when):
            raise ConnectionError("Connection reset")
        return answer

    return lose
