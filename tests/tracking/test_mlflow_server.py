"""Truth: what MLflow's own API and the S3 bucket answer after logging to a real server, killed and refused too."""

# ruff: noqa: PLR0917 - fixtures are positional

import json
import re
import time

import pytest
from tracking.one_step import NAME, TAGS

from prunegap.errors import UserError
from prunegap.tracking.mlflow_client import check_server
from prunegap.tracking.session import upload


def run_epochs(tracker, epochs):
    for epoch in epochs:
        tracker.log_metrics({f"group_accuracy/g{group} (x)": epoch + group / 100 for group in range(60)}, epoch)


def test_a_tracked_step_is_a_nested_run_with_everything_and_its_files_lie_in_the_bucket(
    server, bucket, open_session, said, view, tmp_path, sparse_model, dataset, monkeypatch
):
    monkeypatch.setenv("KFP_RUN_ID", "kfp-1")
    monkeypatch.setenv("KFP_RUN_URL", "/#/runs/details/kfp-1")
    folder = tmp_path / "ws" / "step"
    model, data = sparse_model(folder / "model"), dataset(tmp_path / "ws" / "dataset")
    (folder / "table.csv").write_text("a,b\n")
    with (
        open_session(server.uri) as session,
        session.step(NAME, folder, {"method": "ceag", "optimizer": {"lr": 0.1}}, TAGS) as tracker,
    ):
        run_epochs(tracker, range(3))
        tracker.log_input(data, "dataset")
        tracker.log_artifact(folder / "table.csv", "report/comparison.csv")
        tracker.log_artifact(model, "files")
        tracker.log_model(model, "finetuned: model", {"max_psi@test": 0.01})
    assert said == []
    found = view(server.uri)
    parent, step = found.parent(), found.step(NAME)
    assert (parent.info.run_name, step.info.run_name) == ("paper", NAME)
    assert (parent.info.status, step.info.status) == ("FINISHED", "FINISHED")
    assert step.data.tags["mlflow.parentRunId"] == parent.info.run_id
    shared = ("prunegap.pipeline_run", "owner", "kfp.pipeline_run_id", "kfp.pipeline_run_url")
    assert {key: step.data.tags[key] for key in shared} == {key: parent.data.tags[key] for key in shared}
    assert {key: step.data.tags[key] for key in TAGS} == TAGS
    assert step.data.params == {"method": "ceag", "optimizer.lr": "0.1"}
    history = found.client.get_metric_history(step.info.run_id, "group_accuracy/g7 _x_")
    assert [(point.step, point.value) for point in history] == [(0, 0.07), (1, 1.07), (2, 2.07)]
    assert json.loads(found.text(step, "groups.json"))["group_accuracy/g7 _x_"] == "group_accuracy/g7 (x)"
    assert found.text(step, "report/comparison.csv") == "a,b\n"
    (data_input,) = step.inputs.dataset_inputs
    manifest_digest = json.loads(data_input.dataset.profile)["sha256"]
    assert data_input.dataset.digest == manifest_digest[:36]
    assert json.loads(data_input.dataset.profile)["num_rows"] == 6
    assert json.loads(data_input.dataset.profile)["counts"]["train"]["groups"]["South Asian"] == 3
    (logged,) = found.models()
    assert (logged.name, logged.status, logged.source_run_id) == ("finetuned_ model", "READY", step.info.run_id)
    assert [(metric.key, metric.value) for metric in logged.metrics] == [("max_psi_test", 0.01)]
    assert [output.model_id for output in step.outputs.model_outputs] == [logged.model_id]
    names = {file.path for file in found.client.list_logged_model_artifacts(logged.model_id)}
    assert names == {"manifest.json", "masks.safetensors", "weights.safetensors"}
    files = bucket()
    assert [files[key] for key in files if logged.model_id in key and key.endswith("masks.safetensors")] == [b"masks"]
    assert any(step.info.run_id in key and key.endswith("files/masks.safetensors") for key in files)


def test_a_step_that_is_retried_with_other_parameters_goes_on_in_its_one_run(
    server, open_session, said, view, tmp_path, sparse_model
):
    folder = tmp_path / "ws" / "step"
    model = sparse_model(folder / "model")
    for attempt, (learning_rate, epochs) in enumerate([(0.1, range(2)), (0.2, range(4))]):
        with (
            open_session(server.uri) as session,
            session.step(NAME, folder, {"lr": learning_rate, f"new{attempt}": 1}, TAGS) as tracker,
        ):
            run_epochs(tracker, epochs)
            tracker.log_model(model, "model", {"accuracy": 0.5})
    assert said == []
    found = view(server.uri)
    assert len(found.runs()) == 2
    step = found.step(NAME)
    assert step.data.params == {"lr": "0.1", "new0": "1", "new1": "1"}
    assert step.data.tags["prunegap.changed.lr"] == "0.2"
    history = found.client.get_metric_history(step.info.run_id, "group_accuracy/g7 _x_")
    assert [point.step for point in history] == [0, 1, 2, 3]
    (logged,) = found.models()
    assert len(logged.metrics) == 1


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
    for epochs in (range(2), range(2, 3)):
        with (
            open_session(server.uri) as session,
            session.step(NAME, tmp_path / "ws" / "step", {}, TAGS) as tracker,
        ):
            run_epochs(tracker, epochs)
        found = view(server.uri)
        step = found.step(NAME)
        found.client.delete_run(step.info.run_id)
    found.client.restore_run(step.info.run_id)
    history = found.client.get_metric_history(found.step(NAME).info.run_id, "group_accuracy/g7 _x_")
    assert [point.step for point in history] == [0, 1, 2]


@pytest.mark.slow
def test_a_server_killed_mid_run_costs_one_warning_and_upload_sends_the_rest_once(
    mortal_server, open_session, said, view, tmp_path, sparse_model, monkeypatch
):
    slept, sleep = [], time.sleep
    model = sparse_model(tmp_path / "ws" / "model")
    workspace, uri = tmp_path / "ws", mortal_server.uri
    with open_session(uri) as session:
        with session.step(NAME, workspace / "first", {"lr": 0.1}, TAGS) as tracker:
            run_epochs(tracker, range(2))
            tracker.log_model(model, "early", {"accuracy": 0.25})
            mortal_server.kill()
            monkeypatch.setattr(time, "sleep", lambda seconds: slept.append(seconds) or sleep(seconds))
            run_epochs(tracker, range(2, 5))
            tracker.log_model(model, "late", {"accuracy": 0.5})
        with session.step("evaluate", workspace / "second", {}, {}) as tracker:
            tracker.log_metrics({"accuracy": 0.5})
    assert sum(slept) < 15
    (line,) = said
    # A kept connection that the kill cuts and a new one that is refused are the same failure to the reader.
    assert re.search(rf"tracking at {re.escape(uri)} failed \((connection refused|the connection broke)\)", line)
    assert f"prunegap upload {workspace}" in line
    assert "\n" not in line
    with pytest.raises(UserError, match="cannot be reached"):
        upload(workspace, None)
    mortal_server.start()
    assert upload(workspace, None) == 2
    assert upload(workspace, uri) == 0
    found = view(uri)
    assert len(found.runs()) == 3
    assert {run.info.status for run in found.runs()} == {"FINISHED"}
    history = found.client.get_metric_history(found.step(NAME).info.run_id, "group_accuracy/g7 _x_")
    assert [point.step for point in history] == [0, 1, 2, 3, 4]
    assert found.step("evaluate").data.metrics == {"accuracy": 0.5}
    assert sorted(logged.name for logged in found.models()) == ["early", "late"]


def test_records_sent_but_not_marked_as_sent_are_not_doubled(server, open_session, view, tmp_path, sparse_model):
    folder = tmp_path / "ws" / "step"
    model = sparse_model(folder / "model")
    with open_session(server.uri) as session, session.step(NAME, folder, {"lr": 1}, TAGS) as tracker:
        run_epochs(tracker, range(2))
        tracker.log_model(model, "model", {"accuracy": 0.5})
    (folder / "tracking.sent").unlink()
    (tmp_path / "ws" / "tracking.json").write_text(
        json.dumps(json.loads((tmp_path / "ws" / "tracking.json").read_text()) | {"runs": {}})
    )
    assert upload(tmp_path / "ws", server.uri) == 1
    found = view(server.uri)
    assert len(found.runs()) == 2
    history = found.client.get_metric_history(found.step(NAME).info.run_id, "group_accuracy/g7 _x_")
    assert [point.step for point in history] == [0, 1]
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
    assert len(written) == 3
    assert not any(b"secret" in path.read_bytes() for path in written)
