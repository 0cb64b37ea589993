"""Truth: what MLflow's own API and the S3 bucket answer after logging to a real server, killed and refused too."""

# ruff: noqa: PLR0917 - fixtures are positional

import json
import re
import time

import pytest
from tracking.one_step import NAME, TAGS
from tracking.sealed import Figures, Judgement, Network, epochs, seal_and_tell, train

from prunegap.errors import UserError
from prunegap.tracking.mlflow_client import check_server
from prunegap.tracking.session import upload

SETTINGS = {"method_or_label": "ceag", "seed": "0", "sparsity": "0.9", "method": "ceag"}
GROUP = "group_accuracy/g7 _x_"


def history(found, step=NAME, key=GROUP):
    """Return (epoch, value) of a metric, in order."""
    points = found.client.get_metric_history(found.step(step).info.run_id, key)
    return sorted((point.step, point.value) for point in points)


def test_a_tracked_step_is_a_nested_run_with_everything_and_its_files_lie_in_the_bucket(
    server, bucket, open_session, said, view, tmp_path, dataset, monkeypatch
):
    monkeypatch.setenv("KFP_RUN_ID", "kfp-1")
    monkeypatch.setenv("KFP_RUN_URL", "/#/runs/details/kfp-1")
    folder, data = tmp_path / "ws" / "step", dataset(tmp_path / "ws" / "dataset")
    with (
        open_session(server.uri) as session,
        session.step(NAME, folder, {"method": "ceag", "optimizer": {"lr": 0.1}}, TAGS) as tracker,
    ):
        tracker.log_input("dataset", data)
        train(tracker, epochs(range(3)))
        seal_and_tell(tracker, folder / "history", Figures(epochs(range(3))))
        judged = seal_and_tell(tracker, folder / "model", Network())
        read = {"dataset": data, "test_network": judged}
        seal_and_tell(tracker, folder / "evaluation", Judgement([(0, {"max_psi@test": 0.01})]), read)
    assert said == []
    found = view(server.uri)
    parent, step = found.parent(), found.step(NAME)
    assert (parent.info.run_name, step.info.run_name) == ("paper", "ceag 90 % seed 0")
    assert (parent.info.status, step.info.status) == ("FINISHED", "FINISHED")
    assert step.data.tags["mlflow.parentRunId"] == parent.info.run_id
    shared = ("prunegap.pipeline_run", "owner", "kfp.pipeline_run_id", "kfp.pipeline_run_url")
    assert {key: step.data.tags[key] for key in shared} == {key: parent.data.tags[key] for key in shared}
    assert {key: step.data.tags[key] for key in TAGS} == TAGS
    assert step.data.params == {"method": "ceag", "optimizer.lr": "0.1"} | SETTINGS
    assert history(found) == [(0, 0.07), (1, 1.07), (2, 2.07)]
    assert json.loads(found.text(step, "groups.json"))[GROUP] == "group_accuracy/g7 (x)"
    assert json.loads(found.text(step, "history/points.json"))[0][1]["group_accuracy/g7 (x)"] == 0.07
    (data_input,) = step.inputs.dataset_inputs
    manifest_digest = json.loads(data_input.dataset.profile)["sha256"]
    assert data_input.dataset.digest == manifest_digest[:36]
    assert json.loads(data_input.dataset.profile)["num_rows"] == 6
    assert json.loads(data_input.dataset.profile)["counts"]["train"]["groups"]["South Asian"] == 3
    (logged,) = found.models()
    assert (logged.name, logged.status, logged.source_run_id) == ("ceag 90 percent seed 0", "READY", step.info.run_id)
    assert [(metric.key, metric.value) for metric in logged.metrics] == [("max_psi_test", 0.01)]
    assert [output.model_id for output in step.outputs.model_outputs] == [logged.model_id]
    names = {file.path for file in found.client.list_logged_model_artifacts(logged.model_id)}
    assert names == {"manifest.json", "masks.safetensors", "points.json", "weights.safetensors"}
    files = bucket()
    assert [files[key] for key in files if logged.model_id in key and key.endswith("masks.safetensors")] == [b"masks"]
    assert any(step.info.run_id in key and key.endswith("history/points.json") for key in files)


def test_a_step_that_is_retried_with_other_parameters_goes_on_in_its_one_run(
    server, open_session, said, view, tmp_path
):
    folder = tmp_path / "ws" / "step"
    for attempt, (learning_rate, last) in enumerate([(0.1, 2), (0.2, 4)]):
        with (
            open_session(server.uri) as session,
            session.step(NAME, folder, {"lr": learning_rate, f"new{attempt}": 1}, TAGS) as tracker,
        ):
            train(tracker, epochs(range(last)))
            seal_and_tell(tracker, folder / "model", Network(points=[(0, {"accuracy": 0.5})]))
    assert said == []
    found = view(server.uri)
    assert len(found.runs()) == 2
    step = found.step(NAME)
    assert step.data.params == SETTINGS | {"lr": "0.1", "new0": "1", "new1": "1"}
    assert step.data.tags["prunegap.changed.lr"] == "0.2"
    assert [epoch for epoch, _ in history(found)] == [0, 1, 2, 3]
    assert history(found, key="accuracy") == [(0, 0.5)]
    (logged,) = found.models()
    assert len(logged.metrics) == 1


def test_names_that_meet_in_one_slug_stay_apart_when_a_later_process_names_them_the_other_way_round(
    server, open_session, view, tmp_path
):
    for names in (["a(b", "a@b"], ["a@b", "a(b"]):
        with open_session(server.uri) as session, session.step(NAME, tmp_path / "ws" / "step", {}, TAGS) as tracker:
            tracker.log_metrics({name: float(ord(name[1])) for name in names}, 0)
    found = view(server.uri)
    assert history(found, key="a_b") == [(0, float(ord("(")))]
    assert history(found, key="a_b_2") == [(0, float(ord("@")))]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_breaks_off_is_failed_and_one_that_is_interrupted_is_killed(
    server, open_session, view, tmp_path, error, status
):
    def interrupted():
        with open_session(server.uri) as session, session.step(NAME, tmp_path / "ws" / "step", {}, TAGS):
            raise error

    with pytest.raises(error):
        interrupted()
    found = view(server.uri)
    assert (found.parent().info.status, found.step(NAME).info.status) == (status, status)


def test_a_step_whose_run_was_deleted_on_the_server_is_sent_whole_to_a_new_one(server, open_session, view, tmp_path):
    folder = tmp_path / "ws" / "step"
    with open_session(server.uri) as session, session.step(NAME, folder, {"lr": 1}, TAGS) as tracker:
        seal_and_tell(tracker, folder / "history", Figures(epochs(range(3))))
    found = view(server.uri)
    gone = found.step(NAME).info.run_id
    found.client.delete_run(gone)
    assert (upload(tmp_path / "ws", server.uri), upload(tmp_path / "ws", server.uri)) == (1, 0)
    assert found.step(NAME).info.run_id != gone
    assert found.step(NAME).data.params == SETTINGS | {"lr": "1"}
    assert [epoch for epoch, _ in history(found)] == [0, 1, 2]


@pytest.mark.slow
def test_a_server_killed_mid_run_costs_one_warning_and_upload_sends_the_rest_once(
    mortal_server, open_session, said, view, tmp_path, dataset, monkeypatch
):
    slept, sleep = [], time.sleep
    workspace, uri = tmp_path / "ws", mortal_server.uri
    data = dataset(workspace / "dataset")
    with open_session(uri) as session:
        with session.step(NAME, workspace / "first", {"lr": 0.1}, TAGS) as tracker:
            train(tracker, epochs(range(2)))
            seal_and_tell(tracker, workspace / "first" / "early", Network(points=[(1, {"accuracy": 0.25})]))
            mortal_server.kill()
            monkeypatch.setattr(time, "sleep", lambda seconds: slept.append(seconds) or sleep(seconds))
            train(tracker, epochs(range(2, 5)))
            seal_and_tell(tracker, workspace / "first" / "history", Figures(epochs(range(5))), {"dataset": data})
            late = seal_and_tell(tracker, workspace / "first" / "late", Network(b"other"))
        with session.step("evaluate", workspace / "second", {"split": "test"}, {}) as tracker:
            judgement = Judgement([(0, {"accuracy": 0.5})])
            seal_and_tell(tracker, workspace / "second" / "evaluation", judgement, {"test_network": late})
        with pytest.raises(ValueError, match="no"), session.step("failed", workspace / "third", {"a": 1}, {"b": "c"}):
            raise ValueError("no")
    assert sum(slept) < 15
    (line,) = said
    # A kept connection that the kill cuts and a new one that is refused are the same failure to the reader.
    assert re.search(rf"tracking at {re.escape(uri)} failed \((connection refused|the connection broke)\)", line)
    assert f"prunegap upload {workspace}" in line
    assert "\n" not in line
    with pytest.raises(UserError, match="cannot be reached"):
        upload(workspace, None)
    mortal_server.start()
    assert upload(workspace, None) == 3
    assert upload(workspace, uri) == 0
    found = view(uri)
    parent = found.parent()
    assert {run.data.tags.get("prunegap.step", "paper"): run.info.status for run in found.runs()} == {
        "paper": "FINISHED",
        NAME: "FINISHED",
        "evaluate": "FINISHED",
        "failed": "FAILED",
    }
    assert [epoch for epoch, _ in history(found)] == [0, 1, 2, 3, 4]
    assert json.loads(found.text(found.step(NAME), "groups.json"))[GROUP] == "group_accuracy/g7 (x)"
    (data_input,) = found.step(NAME).inputs.dataset_inputs
    assert json.loads(data_input.dataset.profile)["num_rows"] == 6
    evaluated, failed = found.step("evaluate"), found.step("failed")
    assert (evaluated.data.metrics, evaluated.data.params) == ({"accuracy": 0.5}, {"split": "test"})
    assert (failed.data.params, failed.data.tags["b"]) == ({"a": "1"}, "c")
    assert {run.data.tags["mlflow.parentRunId"] for run in (evaluated, failed)} == {parent.info.run_id}
    assert {logged.source_run_id for logged in found.models()} == {found.step(NAME).info.run_id}
    figures = [[(metric.key, metric.value) for metric in logged.metrics] for logged in found.models()]
    assert sorted(figures) == [[("accuracy", 0.25)], [("accuracy", 0.5)]], "of the early model and of the judged one"


@pytest.mark.slow
def test_a_server_that_comes_back_is_sent_what_it_missed_without_an_upload(
    mortal_server, open_session, said, view, tmp_path
):
    workspace, uri = tmp_path / "ws", mortal_server.uri
    with open_session(uri) as session:
        with session.step("missed", workspace / "missed", {}, {}) as tracker:
            mortal_server.kill()
            seal_and_tell(tracker, workspace / "missed" / "history", Figures(epochs(range(2))))
        with session.step("back", workspace / "back", {}, {}) as tracker:
            train(tracker, [(0, {"live": 1.0})])
            mortal_server.start()
        found = view(uri)
        assert (found.step("back").info.status, found.step("back").data.metrics) == ("FINISHED", {"live": 1.0})
        assert found.step("missed").info.status == "RUNNING"
    assert found.step("missed").info.status == "FINISHED"
    assert [epoch for epoch, _ in history(found, "missed")] == [0, 1]
    failed, *rest = said
    assert failed.startswith(f"tracking at {uri} failed ")
    assert rest == [f"tracking at {uri} answers again and was sent what it had missed"]
    assert upload(workspace, uri) == 0


def test_what_was_sent_but_not_noted_as_sent_is_not_doubled(server, open_session, view, tmp_path):
    folder = tmp_path / "ws" / "step"
    with open_session(server.uri) as session, session.step(NAME, folder, {"lr": 1}, TAGS) as tracker:
        train(tracker, epochs(range(2)))
        seal_and_tell(tracker, folder / "history", Figures(epochs(range(2))))
        seal_and_tell(tracker, folder / "model", Network(points=[(1, {"accuracy": 0.5})]))
    found = view(server.uri)
    found.client.delete_tag(found.step(NAME).info.run_id, "prunegap.told")
    assert (upload(tmp_path / "ws", server.uri), upload(tmp_path / "ws", server.uri)) == (1, 0)
    assert len(found.runs()) == 2
    assert [epoch for epoch, _ in history(found)] == [0, 1]
    assert history(found, key="accuracy") == [(1, 0.5)]
    (logged,) = found.models()
    assert len(logged.metrics) == 1


def test_a_host_name_the_server_does_not_allow_is_refused_at_the_start_naming_allowed_hosts(server, open_session):
    uri = server.uri.replace("127.0.0.1", "localhost")
    with pytest.raises(UserError, match=rf"{uri} answers 403: .*--allowed-hosts"):
        open_session(uri).__enter__()


def test_an_unreachable_port_is_refused_at_the_start_naming_it(open_session, server, tmp_path):
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9 cannot be reached \(connection refused\)"):
        open_session("http://127.0.0.1:9").__enter__()
    assert not (tmp_path / "ws").exists()


def test_a_server_that_is_not_mlflow_is_refused_at_the_start(s3):
    with pytest.raises(UserError, match=f"{s3}/no-such-thing answers 404: is that an MLflow server"):
        check_server(s3 + "/no-such-thing")


@pytest.mark.parametrize(
    "uri", ["localhost:5000", "htp://x", "http://", "http://h:99999", "http://a b", "mlruns", "file:///x", "sqlite:"]
)
def test_a_broken_address_is_refused_with_the_rule(uri):
    with pytest.raises(UserError, match=r"broken.*expected http://HOST:PORT"):
        check_server(uri)


def test_a_password_in_the_address_is_neither_printed_nor_stored(server, open_session, tmp_path):
    uri = server.uri.replace("//", "//me:secret@")
    with pytest.raises(UserError) as refusal:
        check_server("http://me:secret@127.0.0.1:9")
    assert "secret" not in str(refusal.value)
    with open_session(uri) as session, session.step(NAME, tmp_path / "ws" / "step", {}, TAGS):
        pass
    written = [path for path in (tmp_path / "ws").rglob("*") if path.is_file()]
    assert {path.name for path in written} == {"tracking.json", "tracked-step.json"}
    assert not any(b"secret" in path.read_bytes() for path in written)
