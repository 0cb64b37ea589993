"""A finished run at its gate. Truth: exit statuses, files parsed by their own readers, a byte that was changed."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from xml.etree.ElementTree import parse

import mlflow
import pytest
from pipeline.program import Program
from pipeline.workspaces import write_experiment

CELL = "sparsity80-seed0-ceag"


@pytest.fixture
def evaluation(workspace: Path) -> Path:
    return workspace / f"steps/evaluate-{CELL}/evaluation"


def open_tolerance(workspace: Path) -> float:
    """Above what any group is shown to lose at least, and below what the worst may lose at most."""
    told = json.loads((workspace / "steps/gate/verdict/verdict.json").read_text())
    groups = [group for model in told["models"] for group in model["audit"]["groups"]]
    return round(max(group["excess_gap"]["low"] for group in groups) + 1e-3, 4)


def test_the_exit_status_is_the_verdict(program: Program, workspace: Path, evaluation: Path) -> None:
    ended = program("gate", workspace, "--tolerance", 0.9)
    assert (ended.code, ended.out.count("ADMISSIBLE at a tolerance of 90 points on test")) == (0, 2)
    assert "sparsest admissible model: " in ended.out
    ended = program("gate", workspace, "--tolerance", 0)
    assert (ended.code, "INADMISSIBLE" in ended.out) == (1, True)
    assert program("gate", workspace, "--tolerance", 0, "--accept-undecidable").code == 1
    assert program("gate", workspace, "--tolerance", 0, "--no-enforce").code == 0
    ended = program("gate", workspace, "--tolerance", open_tolerance(workspace))
    assert (ended.code, "UNDECIDABLE at a tolerance" in ended.out) == (3, True)
    ended = program("gate", workspace, "--tolerance", open_tolerance(workspace), "--accept-undecidable")
    assert (ended.code, "UNDECIDABLE, accepted by --accept-undecidable at" in ended.out) == (0, True)
    alone = program("gate", evaluation, "--tolerance", 0.9)
    assert (alone.code, "chosen among 2 models" in alone.out) == (0, True)
    assert "chosen among" not in program("gate", evaluation, "--tolerance", 0.9, "--candidates", 1).out


def test_models_of_an_earlier_list_of_methods_are_not_judged(program: Program, workspace: Path, tmp_path: Path) -> None:
    note = json.loads((workspace / "experiment.json").read_text())
    note["methods"] = [one for one in note["methods"] if one["method"] == "ceag"]
    (workspace / "experiment.json").unlink()
    (workspace / "experiment.json").write_text(json.dumps(note))
    ended = program("gate", workspace, "--tolerance", 2)
    assert ended.code == 0, ended.err
    told = json.loads((tmp_path / "verdict/verdict.json").read_text())
    assert [(one["name"], one["audit"]["candidates"]) for one in told["models"]] == [("ceag 80 % seed 0", 1)]


def test_a_sweep_by_fixed_sequence_takes_the_whole_run_and_pays_for_its_sequences_alone(
    program: Program, finished_grid: Path, tmp_path: Path
) -> None:
    ended = program("gate", finished_grid, "--rule", "fixed_sequence", "--tolerance", 2)
    assert ended.code == 0, ended.err
    told = json.loads((tmp_path / "verdict/verdict.json").read_text())
    assert (len(told["models"]), {one["audit"]["candidates"] for one in told["models"]}) == (20, {10})
    assert "sparsest admissible model: " in ended.out
    assert " 95 % seed " in ended.out.splitlines()[-2]
    one = finished_grid / "steps/evaluate-sparsity80-seed0-ceag/evaluation"
    ended = program("gate", one, "--rule", "fixed_sequence", "--tolerance", 0.9)
    assert (ended.code, "the run has 20 models and 1 would be tested; name the run" in ended.err) == (2, True)
    told = json.loads((finished_grid / "steps/gate/verdict/verdict.json").read_text())
    assert {one["audit"]["candidates"] for one in told["models"]} == {20}


def test_a_verdict_is_written_for_people_and_for_ci_and_bound_to_what_it_rests_on(
    program: Program, workspace: Path, evaluation: Path, tmp_path: Path
) -> None:
    program("gate", evaluation, "--tolerance", open_tolerance(workspace), "--verdict", "out/verdict")
    folder = tmp_path / "out/verdict"
    told = json.loads((folder / "verdict.json").read_text())
    assert (told["schema_version"], told["verdict"], told["split"]) == (1, "undecidable", "test")
    made_from = told["models"][0]["made_from"]
    assert set(made_from) == {"evaluation", "finetuned_model", "dataset", "baseline", "code"}
    manifest = json.loads((evaluation / "manifest.json").read_text())
    assert made_from["finetuned_model"] == manifest["identity"]["inputs"]["finetuned_model"]
    failed = [
        case.attrib["name"]
        for case in parse(folder / "verdict.junit.xml").iter("testcase")
        if case.find("failure") is not None
    ]
    log = json.loads((folder / "verdict.sarif").read_text())
    assert log["version"] == "2.1.0"
    opened = [one["name"] for one in told["models"][0]["audit"]["groups"] if one["finding"] == "open"]
    assert sorted(failed) == sorted(opened)
    assert len(log["runs"][0]["results"]) == len(opened)


@pytest.mark.parametrize(
    "file",
    [
        f"finetune-{CELL}/finetuned_model/masks.safetensors",
        f"finetune-{CELL}/finetuned_model/weights.safetensors",
        "measure_baseline/baseline/outcomes_test.safetensors",
        f"evaluate-{CELL}/evaluation/evaluation.json",
        "prepare_data/dataset/dataset.json",
    ],
)
def test_one_changed_byte_behind_a_verdict_is_refused(
    program: Program, workspace: Path, file: str, tmp_path: Path
) -> None:
    path = workspace / "steps" / file
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.unlink()  # files of copied runs may be links to each other
    path.write_bytes(content)
    ended = program("gate", workspace, "--tolerance", 0.9)
    assert (ended.code, ended.out) == (2, "")
    assert f"{file}: the file was changed or damaged" in ended.error_lines[0]
    assert not (tmp_path / "verdict").exists()


def test_an_evaluation_of_another_model_than_the_one_at_hand_is_refused(
    program: Program, workspace: Path, evaluation: Path
) -> None:
    steps = workspace / "steps"
    mine, other = (steps / f"finetune-sparsity80-seed0-{name}/finetuned_model" for name in ("ceag", "nft_es"))
    assert program("gate", evaluation, "--tolerance", 0.9, "--against", mine).code == 0
    ended = program("gate", evaluation, "--tolerance", 0.9, "--against", other)
    assert (ended.code, "is not about this finetuned_model" in ended.err) == (2, True)
    other.rename(steps / "elsewhere")
    mine.rename(other)
    (steps / "elsewhere").rename(mine)
    assert program("gate", workspace, "--tolerance", 0.9).code == 0  # both are there, whatever their folders are called
    (mine / "manifest.json").unlink()
    ended = program("gate", workspace, "--tolerance", 0.9)
    assert (ended.code, "the finetuned_model that it was made from is no longer in" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "nowhere: neither a run with evaluations nor an evaluation"),
        ((), "nothing to judge: name the folder of a run or of an evaluation"),
        (("run", "--alpha", 1), "--alpha: must be < 1, got '1'"),
        (("run", "--tolerance", -0.5), "must be >= 0, or -1 for each evaluation's own, got -0.5"),
        (("run", "--leave-out", "11"), "leave out 11: no such group"),
    ],
)
def test_a_wrong_call_is_neither_an_admission_nor_a_refusal(
    program: Program, workspace: Path, words: tuple[object, ...], message: str
) -> None:
    assert workspace.name == "run"
    ended = program("gate", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_a_run_that_enforces_its_gate_stops_there_however_often_it_is_started(
    program: Program, workspace: Path, experiment: Path
) -> None:
    again = ("run", experiment, "--workspace", workspace, "--no-tracking", "--set", "gate.enforce=true")
    for _ in range(2):
        ended = program(*again)
        assert ended.code in {1, 3}
        assert ended.error_lines[0].startswith("gate: not admitted: ")
    assert program(*again[:-1], "gate={accept_undecidable: true, tolerance: 0.9, enforce: true}").code == 0


def test_an_admitted_model_gets_an_alias_in_mlflow_and_no_other_does(
    program: Program, tmp_path: Path, server: SimpleNamespace
) -> None:
    experiment = write_experiment(tmp_path, name=f"gated-{os.getpid()}")
    ended = program("run", experiment, "--workspace", "run", "--tracking-uri", server.uri)
    assert ended.code == 0, ended.err
    name, environment = f"digits-{os.getpid()}", {"MLFLOW_TRACKING_URI": server.uri}
    at = tmp_path / f"run/steps/evaluate-{CELL}/evaluation"
    client = mlflow.MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
    refused = program("gate", at, "--tolerance", 0, "--register", name, environment=environment)
    assert (refused.code, f"--register {name}: no model is admissible" in refused.err) == (1, True)
    assert "INADMISSIBLE" in refused.error_lines[1], "with the groups at fault"
    assert client.search_registered_models(filter_string=f"name = '{name}'") == []
    admit = ("gate", at, "--tolerance", 0.9, "--register", name, "--alias", "shipped")
    for _ in range(2):  # once more is the same version
        admitted = program(*admit, environment=environment)
        assert (admitted.code, f"is version 1 of {name} in MLflow, with the alias shipped" in admitted.out) == (0, True)
    version = client.get_model_version_by_alias(name, "shipped")
    digest = json.loads((tmp_path / "verdict/verdict.json").read_text())["models"][0]["made_from"]["finetuned_model"]
    assert client.get_logged_model(str(version.source).removeprefix("models:/")).tags["prunegap.digest"] == digest
    assert version.tags["prunegap.verdict"] == "admissible"


def test_a_card_tells_the_verdict_and_what_it_rests_on(program: Program, workspace: Path, tmp_path: Path) -> None:
    ended = program("card", workspace, "--output", "card")
    assert (ended.code, "no model is admissible; name one with --model: " in ended.err) == (1, True)
    ended = program("card", workspace, "--output", "card", "--model", "ceag 80 % seed 0", "--license", "apache-2.0")
    assert ended.code == 0, ended.err
    card = (tmp_path / "card/README.md").read_text()
    verdict = json.loads((workspace / "steps/gate/verdict/verdict.json").read_text())
    model = next(one for one in verdict["models"] if one["name"] == "ceag 80 % seed 0")
    assert "license: apache-2.0" in card
    for text in (model["made_from"]["finetuned_model"], model["audit"]["verdict"].capitalize()):
        assert text in (tmp_path / "card/model_card.md").read_text()
    assert json.loads((tmp_path / "card/evidence.json").read_text())["schema_version"] == 1
    assert "May not ship" in (tmp_path / "card/audit.html").read_text()
