"""Truth: kfp's own parser of executor outputs, its own rule for paths, and what the stages' commands make."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from kfp import dsl
from messages import messages

from prunegap.cli.kubeflow_task import TaskInput, local_path, shown_metrics
from prunegap.errors import UserError


def executor_input(folder, parameters=None, outputs=("dataset", "metrics"), artifacts=None) -> dict[str, Any]:
    return {
        "inputs": {
            "parameterValues": parameters or {},
            "artifacts": {
                name: {"artifacts": [{"name": name, "uri": str(one)} for one in given]}
                for name, given in (artifacts or {}).items()
            },
        },
        "outputs": {
            "artifacts": {name: {"artifacts": [{"name": name, "uri": str(folder / name)}]} for name in outputs},
            "outputFile": str(folder / "deep/executor_output.json"),
        },
    }


def test_a_stage_carried_out_by_its_executor_input_answers_in_kubeflows_words(program, tmp_path):
    told = executor_input(
        tmp_path / "task", {"source": "digits", "validation_share": 0.25, "split_seed": 3.0, "tags": {}}
    )
    ended = program("prunegap", "kubeflow-task", "prepare_data", json.dumps(told))
    assert ended.code == 0, ended.err
    answer = messages.ExecutorOutput()
    json_format.Parse((tmp_path / "task/deep/executor_output.json").read_text(), answer)
    metadata = dict(answer.artifacts["metrics"].artifacts[0].metadata)
    assert metadata == {"examples/train": 1077.0, "examples/validation": 360.0, "examples/test": 360.0, "bad_rows": 0.0}
    answered = json.loads((tmp_path / "task/deep/executor_output.json").read_text())["artifacts"]
    counts = answered["metrics"]["artifacts"][0]["metadata"].values()
    assert {type(count) for count in counts} == {int}, "the message has no integers, the text has"
    manifest = json.loads((tmp_path / "task/dataset/manifest.json").read_text())
    parameters = manifest["identity"]["parameters"]
    assert (parameters["split_seed"], parameters["validation_share"]) == (3, 0.25)
    assert answer.artifacts["dataset"].artifacts[0].metadata["kind"] == "dataset"


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ("{", "error: EXECUTOR_INPUT: not what Kubeflow passes as {{$}} (JSONDecodeError"),
        ('{"inputs": {}}', "error: EXECUTOR_INPUT: not what Kubeflow passes as {{$}} (KeyError: 'outputs')"),
        ("[]", "error: EXECUTOR_INPUT: not what Kubeflow passes as {{$}} (AttributeError"),
    ],
)
def test_an_argument_that_kubeflow_never_sends_is_refused(program, told, line):
    ended = program("prunegap", "kubeflow-task", "prepare_data", told)
    assert ended.code == 1
    assert len(ended.lines) == 1
    assert ended.last.startswith(line)


def test_a_bad_value_and_a_missing_artifact_are_named_and_nothing_is_written(program, tmp_path):
    folder = tmp_path / "task"
    ended = program("prunegap", "kubeflow-task", "prepare_data", json.dumps(executor_input(folder, {"test_share": 2})))
    assert (ended.code, ended.last) == (1, "error: test_share: must be < 1, got 2")
    told = executor_input(folder, artifacts={"dataset": []}, outputs=("dense_model", "metrics"))
    ended = program("prunegap", "kubeflow-task", "acquire_dense", json.dumps(told))
    assert (ended.code, ended.last) == (1, "error: dataset: one dataset artifact is needed, the task was given 0")
    assert not folder.exists()


@pytest.mark.parametrize("uri", ["gs://b/x/y", "minio://mlpipeline/v2/artifacts/x", "s3://b/k", "/tmp/plain"])
def test_artifacts_lie_where_kubeflows_launcher_puts_them(uri):
    assert str(local_path(uri)) == dsl.Artifact(uri=uri).path


def test_an_unknown_store_is_refused():
    with pytest.raises(UserError, match=r"ftp://x: an artifact store of this kind is not known; use one of gs://"):
        local_path("ftp://x")


def test_texts_are_filled_in_and_whole_numbers_are_whole():
    told = executor_input(
        Path("x"),
        {
            "channel": 7.0,
            "head_rows": [7.0, 2.0, 0.5],
            "step": "prune-sparsity99.5-seed{{$.inputs.parameters['channel']}}-v1.0",
            "tags": {"seed": "{{$.inputs.parameters['channel']}}", "method": "v1.0"},
        },
    )
    task = TaskInput.parse(json.dumps(told))
    assert task.step == "prune-sparsity99.5-seed7-v1.0"
    assert task.parameters["head_rows"] == [7, 2, 0.5]
    assert all(type(value) is kind for value, kind in zip(task.parameters["head_rows"], (int, int, float), strict=True))
    assert task.tags == {"seed": "7", "method": "v1.0"}
    # kfp's local orchestrator fills texts in itself, with the float.
    told["inputs"]["parameterValues"] |= {"tags": {"seed": "1.0"}}
    assert TaskInput.parse(json.dumps(told)).tags == {"seed": "1"}


def test_of_many_metrics_the_largest_families_are_left_out_first():
    groups = {f"group_accuracy/{i}": 0.5 for i in range(70)} | {f"excess_gap/{i}": 0.1 for i in range(30)}
    whole = {"train/accuracy": 0.9, "test/accuracy": 0.8, "broken": float("nan")}
    shown = shown_metrics(groups | whole)
    assert set(shown) == {name for name in groups if name.startswith("excess")} | {"train/accuracy", "test/accuracy"}
    assert shown_metrics({"a": 1.0}) == {"a": 1.0}
