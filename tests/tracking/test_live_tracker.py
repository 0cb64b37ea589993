"""Truth: what a run that can be told to fail was told, call by call, and the step's own file read as plain JSON."""

import json
import math

import pytest
from tracking.sealed import Figures, Network, epochs, seal_and_tell, train

from prunegap.tracking import tracker as module
from prunegap.tracking.tracked_step import Step
from prunegap.tracking.tracker import LiveTracker, tracked


class Run:
    """A run that keeps what it is told; ``down``: it fails after it has kept the next call, or before."""

    def __init__(self):
        self.told, self.opened, self.down = [], 0, ""

    def open(self):
        self.opened += 1
        self.answer("open")
        return self

    def answer(self, *call):
        if self.down == "unreachable":
            raise ConnectionError("Connection refused")
        self.told.append(call)
        if self.down == "answer lost":
            raise ConnectionError("Connection reset")

    def log_points(self, points):
        self.answer("points", list(points))

    def log_input(self, name, _folder):
        self.answer("input", name)

    def log_files(self, name, _folder):
        self.answer("files", name)

    def log_model(self, folder, points):
        self.answer("model", folder.name, {point.name: (point.epoch, point.value) for point in points})

    def end(self, step, _told):
        self.answer("end", step.status)

    @property
    def points(self):
        return [point for call in self.told if call[0] == "points" for point in call[1]]


@pytest.fixture
def run():
    """Return a run that works."""
    return Run()


@pytest.fixture
def failures():
    """Return the failures of the test's trackers."""
    return []


@pytest.fixture
def tracker(run, failures):
    """Return a tracker of the run, begun."""
    made = LiveTracker(run.open, failures.append)
    made.begin()
    return made


def end(tracker, status="FINISHED"):
    tracker.end(Step("prune", {}, {}).over(status), "")


@pytest.mark.parametrize("sizes", [[60] * 40, [1000, 1], [999, 2, 5], [1], [2500]])
def test_a_batch_holds_at_most_a_thousand_metrics_and_none_is_lost(run, tracker, sizes):
    for epoch, size in enumerate(sizes):
        tracker.log_metrics({f"m{i}": float(i) for i in range(size)}, epoch)
    end(tracker)
    batches = [call[1] for call in run.told if call[0] == "points"]
    assert all(len(batch) <= 1000 for batch in batches)
    assert [(point.epoch, point.name) for point in run.points] == [
        (epoch, f"m{i}") for epoch, size in enumerate(sizes) for i in range(size)
    ]
    assert run.told[-1] == ("end", "FINISHED")


def test_metrics_are_sent_when_two_seconds_have_passed_and_not_each_alone(run, tracker, monkeypatch):
    now = module.time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    tracker.log_metrics({"a": 1.0}, 0)
    assert run.points == []
    now += 2.1
    tracker.log_metrics({"a": 2.0}, 1)
    assert [point.value for point in run.points] == [1.0, 2.0]


def test_what_was_said_live_is_not_said_again_when_it_is_sealed_but_another_value_is(run, tracker, tmp_path):
    tracker.log_metrics({"a": 0.5, "b": 1.0, "c": math.nan}, 1)
    seal_and_tell(tracker, tmp_path / "figures", Figures([(1, {"a": 0.75, "b": 1.0})]))
    tracker.log_metrics({"c": math.nan}, 1)
    end(tracker)
    assert [(point.name, point.value) for point in run.points][:2] == [("a", 0.5), ("b", 1.0)]
    assert [(point.name, point.value) for point in run.points][3:] == [("a", 0.75)]


def test_a_models_metrics_are_its_last_ones_at_the_epoch_they_belong_to(run, tracker, tmp_path):
    seal_and_tell(tracker, tmp_path / "model", Network(points=[(0, {"a": 1.0, "b": 3.0}), (4, {"a": 2.0})]))
    assert run.told[-1] == ("model", "model", {"a": (4, 2.0), "b": (0, 3.0)})


def test_after_a_failure_nothing_is_tried_until_the_end_and_then_all_of_it_is_sent(run, tracker, failures, tmp_path):
    run.down = "unreachable"
    for name in ("one", "two"):
        seal_and_tell(tracker, tmp_path / name, Figures(epochs([len(failures)])))
    assert len(failures) == 1
    run.down = ""
    train(tracker, [(9, {"late": 1.0})])
    assert len(run.told) == 1, "only the opening"
    end(tracker)
    assert [call[0] for call in run.told][-3:] == ["files", "files", "end"]
    assert {point.epoch for point in run.points} == {0, 1, 9}
    assert len(failures) == 1


def test_a_run_whose_answer_was_lost_is_opened_anew_so_that_what_it_holds_is_looked_at(run, tracker, tmp_path):
    run.down = "answer lost"
    seal_and_tell(tracker, tmp_path / "figures", Figures(epochs([0])))
    run.down = ""
    end(tracker)
    assert run.opened == 2
    assert run.told[-3][0] == "points", "told again: the run itself leaves out what it holds"


@pytest.mark.parametrize(("back_after", "told"), [(3, ["open", "points", "end"]), (10**9, [])])
def test_where_nobody_can_send_it_later_the_end_waits_for_the_server_but_not_for_ever(
    run, failures, monkeypatch, back_after, told
):
    now, slept = module.time.monotonic(), []
    monkeypatch.setattr(module.time, "monotonic", lambda: now + sum(slept))

    def sleep(seconds):
        slept.append(seconds)
        run.down = "" if len(slept) == back_after else "unreachable"

    monkeypatch.setattr(module.time, "sleep", sleep)
    patient, run.down = LiveTracker(run.open, failures.append, patience=60), "unreachable"
    patient.begin()
    patient.log_metrics({"a": 1.0})
    end(patient)
    assert [call[0] for call in run.told] == told
    assert sum(slept) == (3 * module.PAUSE_SECONDS if told else 60)


def test_a_tracker_that_is_not_live_sends_everything_at_the_end(run, failures):
    silent = LiveTracker(run.open, failures.append, live=False)
    silent.begin()
    silent.log_metrics({"a": 1.0})
    assert run.told == []
    end(silent, "FAILED")
    assert [call[0] for call in run.told] == ["open", "points", "end"]


@pytest.mark.parametrize(
    ("error", "status"), [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_how_a_step_ended_is_on_disk_though_no_server_was_told(run, failures, tmp_path, error, status):
    run.down = "unreachable"
    step, file = Step("prune", {"sparsity": "0.9"}, {"prunegap.seed": "0"}), tmp_path / "prune" / "tracked-step.json"

    def work():
        with tracked(LiveTracker(run.open, failures.append), step, file.parent, failures.append):
            assert json.loads(file.read_text())["status"] == "RUNNING"
            if error:
                raise error

    if error:
        with pytest.raises(error):
            work()
    else:
        work()
    written = json.loads(file.read_text())
    assert (written["status"], written["ended"] >= written["began"]) == (status, True)
    assert (written["name"], written["parameters"]) == ("prune", {"sparsity": "0.9"})
    assert written["tags"] == {"prunegap.seed": "0"}


def test_a_folder_that_cannot_be_written_costs_a_warning_and_not_the_step(run, failures, tmp_path):
    (tmp_path / "step").write_text("a file where the folder should be")
    said = []
    with tracked(LiveTracker(run.open, failures.append), Step("prune", {}, {}), tmp_path / "step", said.append):
        pass
    assert "cannot be written" in said[0]
    assert run.told[-1] == ("end", "FINISHED")
