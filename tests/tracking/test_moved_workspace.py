"""Truth: MLflow's API on the store of a workspace that lies elsewhere than it did, and the files of the old folder."""

import json
import shutil
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache
from mlflow_view import View
from pipeline.workspaces import snapshot
from ports import free_port
from tracking.record import differences, record
from tracking.sealed import Figures, Network, seal_and_tell
from tracking.test_workspace_store import PAGE

from prunegap.errors import UserError
from prunegap.tracking.addresses import workspace_uri
from prunegap.tracking.own_store import keep_files_here
from prunegap.tracking.session import TrackingSession, upload


def run_a_step(workspace, name="prune"):
    with (
        TrackingSession(workspace, None, "prunegap", "paper", {}) as session,
        session.step(name, workspace / name, {"a": 1}, {}) as tracker,
    ):
        seal_and_tell(tracker, workspace / name / "history", Figures([(0, {"accuracy": 0.5})]))
        seal_and_tell(tracker, workspace / name / "model", Network(points=[(0, {"accuracy": 0.5})]))


@pytest.fixture
def original(tmp_path, tables):
    """Return a workspace that was tracked in its own store."""
    workspace = tmp_path / "mlartifacts" / "räume #1"  # a name of ours above it, and what an address escapes
    workspace.mkdir(parents=True)
    shutil.copy(tables, workspace)
    run_a_step(workspace)
    return workspace


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_workspace_elsewhere_opens_and_goes_on_there_and_the_old_one_is_left_as_it_is(original, tmp_path, how):
    before = record(workspace_uri(original), "prunegap")
    elsewhere = tmp_path / "elsewhere" / "ws"
    (shutil.move if how == "moved" else shutil.copytree)(original, elsewhere)
    there = snapshot(original) if how == "copied" else None
    assert upload(elsewhere, None) == 0, "nothing is lacking, and it is its own store that is asked"
    _artifact_repos_cache.clear()  # by the run's id: no process but this one knows the run in two places
    found = View(workspace_uri(elsewhere), "prunegap")
    assert differences(before, record(workspace_uri(elsewhere), "prunegap")) == []
    assert found.text(found.step("prune"), "history/points.json")
    run_a_step(elsewhere, "later")
    later = found.step("later")
    assert found.text(later, "history/points.json")
    assert (elsewhere / "mlartifacts" / later.info.run_id / "artifacts" / "history" / "points.json").is_file()
    if there is None:
        assert not original.exists()
    else:
        _artifact_repos_cache.clear()
        assert snapshot(original) == there
        assert differences(before, record(workspace_uri(original), "prunegap")) == []


def test_what_an_earlier_version_noted_as_the_last_address_is_not_written_to_through_the_copy(original, tmp_path):
    file = original / "tracking.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"uri": workspace_uri(original)}))
    copy = shutil.copytree(original, tmp_path / "copy")
    View(workspace_uri(original), "prunegap").client.delete_run(
        View(workspace_uri(original), "prunegap").step("prune").info.run_id
    )
    assert upload(copy, None) == 0, "the old store lacks the step, this one does not"


def test_a_store_that_is_where_it_was_is_not_written(original):
    database = original / "mlflow.db"
    before = database.stat().st_mtime_ns
    keep_files_here(original)
    assert database.stat().st_mtime_ns == before
    database.write_text("no database at all, but long enough to be taken for the head of one " * 10)
    with pytest.raises(UserError, match=r"mlflow\.db: .*copy the workspace to where it can be written"):
        keep_files_here(original)


@pytest.mark.slow
def test_the_page_of_a_moved_workspace_shows_its_files(original, tmp_path):
    moved = shutil.move(original, tmp_path / "moved")
    port = free_port()
    command = [sys.executable, "-c", PAGE, str(moved), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as page:
        try:
            assert page.stdout is not None
            assert str(port) in page.stdout.readline()
            run_id = View(f"http://127.0.0.1:{port}", "prunegap").step("prune").info.run_id
            address = f"http://127.0.0.1:{port}/get-artifact?path=history/points.json&run_uuid={run_id}"
            with urlopen(address) as answer:  # as the page asks
                assert json.loads(answer.read()) == [[0, {"accuracy": 0.5}]]
        finally:
            page.send_signal(signal.SIGINT)
