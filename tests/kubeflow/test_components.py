"""Truth: the stages' own definitions, what kfp's loader makes of the committed files, and the program's help."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kfp.components import load_component_from_file
from messages import messages
from prunegap_components.component import parameter_type

from prunegap.pipeline import STAGES

ROOT = Path(__file__).resolve().parents[2]
TYPES = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", bool: "BOOLEAN", str: "STRING", list: "LIST"}
HELPERS = {
    "audit": "Judge any model by what it does to each group, from the predictions of two models.",
    "plan_cells": "Check a list of cells and give them by what they share: a pruned model each.",
    "each_item": "Hand a list on as an output, which a loop inside a loop can go over.",
    **{
        f"look_at_{stage}": f"Look at the data and code behind the parameters of {stage}, whose result Kubeflow may"
        for stage in ("prepare_data", "acquire_dense")
    },
}
SHOWN = {
    "evaluate": {"groups": "system.Markdown", "classification": "system.ClassificationMetrics"},
    "gate": {"models": "system.Markdown"},
    "compare": {"groups": "system.Markdown", "table": "system.Markdown", "report": "system.HTML"},
}
stages = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


def loaded(name):
    path = ROOT / "components" / name / "component.yaml"
    load_component_from_file(str(path))
    return next(yaml.safe_load_all(path.read_text()))


def component(document):
    (found,) = document["components"].values()
    return found


@stages
def test_a_component_has_every_parameter_of_its_stage_with_type_default_and_description(stage):
    inputs = component(loaded(stage.name))["inputDefinitions"]["parameters"]
    assert set(inputs) == {*stage.params_type.model_fields, "step", "tags", "made_from"}
    for name, info in stage.params_type.model_fields.items():
        given = inputs[name]
        assert given["parameterType"] == TYPES[parameter_type(info.annotation)], name
        assert given["defaultValue"] == (list(info.default) if isinstance(info.default, tuple) else info.default), name
        assert given["description"].startswith(" ".join(info.description.split())), name
        assert given["isOptional"], name


@stages
def test_a_component_reads_and_writes_typed_artifacts_of_its_stage(stage):
    spec = component(loaded(stage.name))
    read = spec.get("inputDefinitions", {}).get("artifacts", {})
    written = {name: one["artifactType"]["schemaTitle"] for name, one in spec["outputDefinitions"]["artifacts"].items()}
    singles = {f"{p.name}_{number}": p for p in stage.inputs if p.many for number in range(1, 9)}
    assert {name: one.get("isArtifactList", False) for name, one in read.items()} == {
        **{p.name: p.many for p in stage.inputs},
        **dict.fromkeys(singles, False),
    }
    optional = {name for name, one in read.items() if one.get("isOptional")}
    assert optional == {*singles, *(p.name for p in stage.inputs if p.many)}
    assert written.pop("metrics") == "system.Metrics"
    shown = SHOWN.get(stage.name, {})
    assert {name: written.pop(name) for name in shown} == shown
    assert set(written) == {port.name for port in stage.outputs}
    kinds = {port.name: port.kind for port in (*stage.inputs, *stage.outputs)}
    kinds |= {name: port.kind for name, port in singles.items()}
    titles = written | {name: one["artifactType"]["schemaTitle"] for name, one in read.items()}
    for name, title in titles.items():
        kind = kinds[name]
        expected = (
            "system.Dataset" if kind == "dataset" else "system.Model" if kind.endswith("model") else "system.Artifact"
        )
        assert title == expected, name
    assert all(one["description"] for one in spec["outputDefinitions"]["artifacts"].values())


@stages
def test_a_component_runs_the_command_of_the_image_with_the_executor_input(stage):
    (executor,) = loaded(stage.name)["deploymentSpec"]["executors"].values()
    container = executor["container"]
    assert (container["command"], container["args"]) == (["prunegap"], ["kubeflow-task", stage.name, "{{$}}"])
    assert not container["image"].endswith(":latest")


def test_the_bounds_of_a_parameter_are_part_of_the_form_text():
    inputs = component(loaded("prune"))["inputDefinitions"]["parameters"]
    assert inputs["sparsity"]["description"].endswith("[>= 0, < 1]")


def test_the_exit_handler_takes_the_final_status():
    spec = component(loaded("close_run"))
    assert spec["inputDefinitions"]["parameters"]["status"]["parameterType"] == "TASK_FINAL_STATUS"


@pytest.mark.parametrize("name", ["plan_cells", "each_item"])
def test_what_loops_go_over_has_the_one_name_that_kfps_orchestrator_knows(name):
    outputs = component(loaded(name))["outputDefinitions"]["parameters"]
    assert {key: one["parameterType"] for key, one in outputs.items()} == {"Output": "LIST"}


def test_what_is_generated_is_fresh():
    ended = subprocess.run(
        [sys.executable, "-m", "prunegap_components.generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_the_readme_names_every_component_once():
    lines = (ROOT / "components" / "README.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| [")]
    folders = sorted(path.parent.name for path in (ROOT / "components").glob("*/component.yaml"))
    assert sorted(line.split("[")[1].split("]")[0] for line in rows) == folders
    assert folders == sorted([*(stage.name for stage in STAGES), "open_run", "close_run", *HELPERS])
    summaries = {stage.name: stage.summary for stage in STAGES}
    for line in rows:
        name = line.split("[")[1].split("]")[0]
        assert summaries.get(name, HELPERS.get(name, "the MLflow run of the pipeline run")) in line


def test_a_committed_file_parses_as_a_pipeline_spec():
    from google.protobuf import json_format

    spec = json_format.Parse(json.dumps(loaded("finetune")), messages.PipelineSpec())
    assert spec.schema_version
