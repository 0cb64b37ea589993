"""``audit`` as a step of somebody else's pipeline. Truth: `prunegap audit` itself, kfp's compiler and orchestrator."""

import contextlib
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from kfp import components, dsl
from kfp.compiler import Compiler
from prunegap_pipelines.local_run import InProcesses, LocalRun
from walk import ROOT

from prunegap.auditing import Rules, audit, read_predictions
from prunegap.cli.audit_command import audit_command
from prunegap.errors import UserError

FILE = ROOT / "components/audit/component.yaml"
ROWS = 4000


def table(hurt: float, seed: int = 0) -> dict[str, list[Any]]:
    """Predictions of two models; the second loses ``hurt`` more of the small group b than of the large a."""
    draw = np.random.default_rng(seed)
    group = np.where(draw.random(ROWS) < 0.25, "b", "a")
    before = (draw.random(ROWS) < 0.9).astype(int)
    lost = draw.random(ROWS) < np.where(group == "b", 0.02 + hurt, 0.02)
    return {"before": before.tolist(), "after": np.where(lost, 0, before).tolist(), "sex": group.tolist(),
            "site": np.where(np.arange(ROWS) % 2, "x", "y").tolist()}  # fmt: skip


def written(rows: dict[str, list[Any]], path: Path, form: str) -> Path:
    if form == "parquet":
        pq.write_table(pa.table(rows), path)
    elif form == "json":
        path.write_text(json.dumps({"columns": list(rows), "data": list(map(list, zip(*rows.values(), strict=True)))}))
    else:
        lines = [",".join(rows), *(",".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
        path.write_text("\n".join(lines) + "\n")
    return path


def carried_out(folder: Path, pipeline: Any) -> str:
    """Run a pipeline by kfp's orchestrator; return what failed."""
    package = folder / "theirs.yaml"
    Compiler().compile(dsl.pipeline(name="theirs")(pipeline), str(package))
    run = LocalRun(package, folder / "run", InProcesses(), {}, lambda _: None)
    with contextlib.suppress(UserError, IndexError):  # no comparison to return
        run()
    return "".join(run.failures.values())


def step(**given: Any) -> Any:
    return components.load_component_from_file(str(FILE))(**given)


def only(folder: Path, name: str) -> Path:
    (found,) = (path for path in (folder / "run").rglob(name) if path.is_file())
    return found


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_a_table_of_another_step_is_judged_as_the_command_line_judges_it(tmp_path, form):
    source = str(written(table(0.0), tmp_path / "predictions", form))  # as artifacts are: without a suffix

    def theirs():
        made = dsl.importer(artifact_uri=source, artifact_class=dsl.Dataset)
        step(
            predictions=made.output, before="before", after="after", groups=["sex"], tolerance=0.05,
            candidates=2, leave_out=[],
        )  # fmt: skip

    assert carried_out(tmp_path, theirs) == ""
    read = read_predictions(Path(source), label="", before="before", after="after", groups=["sex"])
    truth = audit(read, ["sex"], Rules(tolerance=0.05, candidates=2))
    assert truth.verdict == "admissible"
    figures = json.loads(only(tmp_path, "audit").read_text())
    assert figures == json.loads(json.dumps(truth.plain())) | {"undecidable_accepted": False}
    assert only(tmp_path, "verdict").read_text() == "admissible"
    assert "May ship" in only(tmp_path, "report").read_text()


def test_a_model_that_hurts_a_group_ends_the_pipeline_unless_it_is_only_to_be_told(tmp_path):
    source = str(written(table(0.3), tmp_path / "predictions.csv", "csv"))
    for enforce in (True, False):
        folder = tmp_path / str(enforce)
        folder.mkdir()

        def theirs(enforce: bool = enforce):
            step(location=source, before="before", after="after", groups=["sex"], tolerance=0.05, enforce=enforce)

        assert ("failed with exit code 1" in carried_out(folder, theirs)) is enforce
        assert json.loads(only(folder, "audit").read_text())["verdict"] == "inadmissible"
        assert only(folder, "verdict").read_text() == "inadmissible"


def asked(folder: Path, inputs: dict[str, list[Path]], **parameters: Any) -> str:
    outputs = {name: {"artifacts": [{"uri": str(folder / "out" / name)}]} for name in ("audit", "report")}
    place = {"verdict": {"outputFile": str(folder / "out/verdict")}}
    given = {name: {"artifacts": [{"uri": str(path)} for path in paths]} for name, paths in inputs.items()}
    return json.dumps(
        {
            "inputs": {"parameterValues": parameters, "artifacts": given},
            "outputs": {"artifacts": outputs, "parameters": place, "outputFile": str(folder / "out/output.json")},
        }
    )


USUAL: dict[str, Any] = {"before": "before", "after": "after", "groups": ["sex"], "tolerance": 0.05}


def test_every_flag_of_the_command_line_is_a_parameter_with_its_default_and_says_the_same(program, tmp_path):
    document = next(yaml.safe_load_all(FILE.read_text()))
    (component,) = document["components"].values()
    inputs = component["inputDefinitions"]["parameters"]
    options = {one.name: one for one in audit_command.params if isinstance(one, click.Option)}
    files = {"json_file", "html_file", "sarif_file", "junit_file", "other"}
    assert set(inputs) == set(options) - files | {"location", "enforce"}
    for name, one in inputs.items():
        if name in options:
            assert one["description"].split() == str(options[name].help).split()
            assert one.get("isOptional", False) is not options[name].required
    assert (inputs["alpha"]["defaultValue"], inputs["candidates"]["defaultValue"]) == (0.05, 1)
    assert (inputs["each_group"]["defaultValue"], inputs["merge_below"]["defaultValue"]) == (False, 0)
    path = written(table(0.0, seed=3), tmp_path / "predictions.csv", "csv")
    given = USUAL | {"groups": ["sex", "site"], "each_group": True, "two_sided": True, "alpha": 0.1, "merge_below": 10}
    ended = program("prunegap", "kubeflow-audit", asked(tmp_path, {}, location=str(path), enforce=True, **given))
    same = tmp_path / "same.json"
    plain = program(
        "prunegap", "audit", path, "--before", "before", "--after", "after", "--group", "sex", "--group", "site",
        "--each-group", "--two-sided", "--alpha", "0.1", "--merge-below", "10", "--tolerance", "0.05", "--json", same,
    )  # fmt: skip
    assert ended.code == plain.code
    assert (tmp_path / "out/audit").read_text() == same.read_text()
    assert len(json.loads(same.read_text())) == 2


def test_a_second_table_is_joined(program, tmp_path):
    rows = table(0.0)
    number = {"number": list(range(ROWS))}
    one = written(number | {key: rows[key] for key in ("before", "sex")}, tmp_path / "one", "csv")
    other = written(number | {"after": rows["after"]}, tmp_path / "other", "parquet")
    text = asked(tmp_path, {"predictions": [one], "other": [other]}, identifier="number", **USUAL)
    ended = program("prunegap", "kubeflow-audit", text)
    assert (ended.code, (tmp_path / "out/verdict").read_text()) == (0, "admissible"), ended.err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "predictions: give the artifact of another step or a location, got 0 of them"),
        ({"location": "{here}/nowhere.csv"}, "nowhere.csv"),
        ({"location": "{here}/table.csv", "groups": ["sexe"]}, "no column 'sexe'; did you mean 'sex'?"),
        ({"location": "{here}/table.csv", "tolerance": -0.1}, "tolerance"),
        ({"location": "{here}/table.csv", "groups": []}, "--group"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_no_verdict(program, tmp_path, changed, message):
    written(table(0.0), tmp_path / "table.csv", "csv")
    filled = {key: value.replace("{here}", str(tmp_path)) if isinstance(value, str) else value
              for key, value in changed.items()}  # fmt: skip
    ended = program("prunegap", "kubeflow-audit", asked(tmp_path, {}, **USUAL | filled, enforce=False))
    assert ended.code != 0
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out/verdict").exists()
