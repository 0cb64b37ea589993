"""Truth: the published definitions of every state, and what MLflow's API says of the run the handler closed."""

import json
import re

import kfp_server_api
import pytest
from google.protobuf import json_format
from kfp.local.status import Status
from messages import messages
from mlflow.entities import RunStatus
from tracking.mlflow_view import View

from prunegap.cli.entry import cli
from prunegap.tracking.final_status import UNDECIDED, FinalStatus
from prunegap.tracking.stage import stage_tracker

# `Execution.State` of third_party/ml-metadata/ml_metadata/proto/metadata_store.proto, lines 307 to 315, in
# kubeflow/pipelines at 2.17.0 (4a3592cb2dd0a91a4652ab93893ec8beda1f3158): what the driver tells an exit handler
# (backend/src/v2/driver/resolve.go, line 472). MLMD's Python package, which would hold it, does not go with kfp 2.17.
MLMD = """
  enum State {
    UNKNOWN = 0;
    NEW = 1;
    RUNNING = 2;
    COMPLETE = 3;
    FAILED = 4;
    CACHED = 5;
    CANCELED = 6;
  }
"""
PUBLISHED = {
    "MLMD": re.findall(r"(\w+) = \d+;", MLMD),
    "message": messages.PipelineStateEnum.PipelineTaskState.keys(),
    "kfp.local": [*(status.value for status in Status), "SUCCEEDED", "FAILED"],
    "API": [
        value for name, value in vars(kfp_server_api.V2beta1RuntimeState).items() if name.isupper() and value == name
    ],
    "MLflow": [RunStatus.to_string(one) for one in RunStatus.all_status()],
}
ALL = sorted({word for words in PUBLISHED.values() for word in words})
EXPECTED = {
    **dict.fromkeys(["COMPLETE", "CACHED", "SUCCEEDED", "SUCCESS", "SKIPPED", "FINISHED"], "FINISHED"),
    **dict.fromkeys(["CANCELED", "CANCELLED", "CANCELING", "CANCELLING", "CANCEL_PENDING", "KILLED"], "KILLED"),
    **dict.fromkeys(["FAILED", "FAILURE"], "FAILED"),
}
"""MLflow's status by the states that tell it; all others do not."""


def from_the_driver(state: str) -> str:
    """What the backend hands over: the driver fills in these fields, the error always empty."""
    told = messages.PipelineTaskFinalStatus(
        state=state, pipeline_task_name="exit-handler-1", pipeline_job_resource_name="r"
    )
    told.error.SetInParent()
    text = json_format.MessageToJson(told, indent=None)
    assert '"error": {}' in text
    return text


def from_kfp_local(state: str) -> str:
    """What kfp.local's orchestrator hands over: other names of the fields."""
    error = {"code": 1, "message": "Task x failed."} if state == "FAILED" else {}
    return json.dumps({"state": state, "pipeline_task_name": "exit-handler-1", "error": error})


@pytest.fixture
def record(server, tmp_path, monkeypatch, worker_id, capfd):
    """Let the environment be a task's; return a function that closes the run and says what MLflow then has of it."""
    experiment = f"exit-{tmp_path.name}-{worker_id}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "PRUNEGAP_PIPELINE_RUN"):
        monkeypatch.delenv(name, raising=False)

    def close(told: str, *steps: str, left_open: str = "", run: str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"):
        monkeypatch.setenv("KFP_RUN_ID", run)
        cli.main(["open-run"], standalone_mode=False)
        for step in steps:
            with stage_tracker(tmp_path / step, step, {}, {"prunegap.stage": step}):
                pass
        abandoned = stage_tracker(tmp_path / "left", left_open, {}, {"prunegap.stage": left_open})
        if left_open:
            abandoned.__enter__()
        capfd.readouterr()
        cli.main(["close-run", told], standalone_mode=False)
        (line,) = capfd.readouterr().err.splitlines()
        view = View(server.uri, experiment)
        (parent,) = [
            one
            for one in view.runs()
            if one.data.tags.get("prunegap.stage") == "pipeline" and one.data.tags["prunegap.pipeline_run"] == run
        ]
        return parent.info.status, parent.data.tags.get("prunegap.error"), line

    return close


def test_the_published_definitions_are_read():
    assert {"COMPLETE", "CACHED", "FAILED", "CANCELED", "RUNNING", "NEW", "UNKNOWN"} == set(PUBLISHED["MLMD"])
    assert {"SUCCEEDED", "CANCELLED", "SKIPPED"} <= set(PUBLISHED["message"])
    assert {"SUCCEEDED", "CANCELED", "PAUSED"} <= set(PUBLISHED["API"])
    assert all(len(words) >= 4 for words in PUBLISHED.values())


@pytest.mark.parametrize("form", [from_the_driver, from_kfp_local, str], ids=["driver", "kfp.local", "word"])
@pytest.mark.parametrize("word", ALL)
def test_every_published_state_is_known(word, form):
    told = FinalStatus.parse(form(word))
    assert told.status == EXPECTED.get(word, UNDECIDED)
    assert told.error == ("Task x failed." if (word, form) == ("FAILED", from_kfp_local) else "")
    assert told.remark == ("" if word in EXPECTED else f"the state told, {word}, does not say how it ended")
    assert FinalStatus.parse(form(word.lower())).status == told.status


@pytest.mark.parametrize(("steps", "otherwise"), [(("compare",), "FINISHED"), (("evaluate",), "FAILED")])
def test_every_state_of_the_backend_closes_the_run_whether_compare_is_done_or_not(record, steps, otherwise):
    for word in PUBLISHED["MLMD"]:
        status, _, line = record(from_the_driver(word), *steps, run=word)
        assert status == EXPECTED.get(word, otherwise), word
        assert "not known" not in line, word


@pytest.mark.parametrize("told", [from_the_driver("RUNNING"), from_the_driver("UNKNOWN")])
def test_after_a_lost_node_the_run_is_failed_and_says_why(record, told):
    status, error, line = record(told, "prepare_data", left_open="compare")
    assert status == "FAILED", "a compare that was begun is not one that is done"
    assert error == "nobody told how the run ended, and compare is not done"
    assert "is FAILED, for compare is not done" in line
    assert "now KILLED: 1" in line


@pytest.mark.parametrize(
    ("told", "remark"),
    [
        (from_the_driver("ASLEEP"), "the state told, 'ASLEEP', is not known here"),
        ("ASLEEP", "the state told, 'ASLEEP', is not known here"),
        (from_the_driver(""), "no state was told"),
        ('{"state": null}', "no state was told"),
        ('{"state": {"code": 3}}', "the state told, '{'code': 3}', is not known here"),
        ("[]", "no state was told"),
        ("", "no state was told"),
        ('{"state": ', "what was told is no JSON"),
        ('{"state": "A\\nB"}', "the state told, 'A B', is not known here"),
    ],
)
def test_what_nobody_knows_never_fails_the_handler_and_goes_by_compare(record, told, remark):
    status, _, line = record(told, "compare", run="done")
    assert status == "FINISHED"
    assert f"is FINISHED, for compare is done; {remark}" in line
    status, _, line = record(told, "evaluate", run="not-done")
    assert status == "FAILED"
    assert f"is FAILED, for compare is not done; {remark}" in line


def test_a_compare_of_another_run_is_none_of_this_one(record):
    assert record(from_the_driver("COMPLETE"), "compare", run="before")[0] == "FINISHED"
    assert record(from_the_driver("RUNNING"), "evaluate", run="after")[0] == "FAILED"


def test_the_error_of_an_earlier_try_is_gone_once_the_run_is_finished(record):
    assert record(from_kfp_local("FAILED"))[1] == "Task x failed."
    assert record(from_the_driver("COMPLETE"), "compare")[:2] == ("FINISHED", None)


def test_what_was_told_is_said_too_where_there_is_no_run_to_close(record, monkeypatch, capfd):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    cli.main(["close-run", from_the_driver("ASLEEP")], standalone_mode=False)
    said = capfd.readouterr().err
    assert "nothing to close" in said
    assert "'ASLEEP', is not known here" in said
