"""Truth: hashlib over the files, edits made by hand to sealed artifacts, and the bytes that stood there before."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from core.small_stages import (
    MultiplyInputs,
    MultiplyOutputs,
    MultiplyParams,
    contents,
    made,
    make_numbers,
    multiply,
    outputs_in,
)

from prunegap import __version__
from prunegap.artifacts.manifest import MANIFEST, check, read_manifest
from prunegap.errors import UserError
from prunegap.stages.contract import DatasetPath, EvaluationPath, Port, fingerprint
from prunegap.tracking.protocol import NullTracker


def run(params: MultiplyParams, inputs: MultiplyInputs, outputs: MultiplyOutputs) -> None:
    multiply(params, inputs, outputs, NullTracker())


def edit_manifest(artifact: Path, **changes: object) -> None:
    stored = json.loads((artifact / MANIFEST).read_text())
    (artifact / MANIFEST).write_text(json.dumps(stored | changes))


def change_a_byte(artifact: Path) -> None:
    (artifact / "numbers.json").write_text("[0, 1, 3]")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed byte": (change_a_byte, r"numbers3/numbers\.json: .*changed or damaged"),
    "missing file": (lambda a: (a / "numbers.json").unlink(), r"numbers3: dataset artifact lacks its file 'numbers.js"),
    "wrong kind": (lambda a: edit_manifest(a, kind="baseline"), r"numbers3: expected .* 'dataset', found 'baseline'"),
    "other schema": (lambda a: edit_manifest(a, schema_version=7), r"numbers3: .* schema version 7, this program .* 1"),
    "no manifest": (lambda a: (a / MANIFEST).unlink(), r"numbers3: no dataset artifact there \(manifest\.json is miss"),
    "no JSON": (lambda a: (a / MANIFEST).write_text("{"), r"numbers3/manifest\.json: unreadable manifest"),
    "other fields": (lambda a: edit_manifest(a, more=1), r"numbers3/manifest\.json: unreadable manifest"),
    "no text": (lambda a: (a / MANIFEST).write_bytes(b"\xff\xfe"), r"numbers3/manifest\.json: unreadable manifest"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_input_is_refused_by_name_and_nothing_is_written(case, tmp_path: Path):
    damage, message = REFUSED[case]
    dataset, outputs = made(tmp_path), outputs_in(tmp_path / "out")
    damage(dataset)
    with pytest.raises(UserError, match=message) as caught:
        run(MultiplyParams(), MultiplyInputs(dataset), outputs)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_manifest_holds_the_hash_of_every_file_and_what_made_it(tmp_path: Path):
    dataset, outputs = made(tmp_path), outputs_in(tmp_path)
    run(MultiplyParams(factor=5, padding=4), MultiplyInputs(dataset), outputs)
    manifest = check(outputs.sparse_model, "sparse_model")
    files = {name: data for name, data in contents(outputs.sparse_model).items() if name != MANIFEST}
    assert set(files) == {"numbers.json", "deep/padding"}
    assert manifest.files == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert json.loads(files["numbers.json"]) == [0, 5, 10]
    assert manifest.parameters == {"factor": 5, "padding": 4}
    assert manifest.inputs == {"dataset": read_manifest(dataset, "dataset").digest}
    assert (manifest.kind, manifest.schema_version, manifest.code_version) == ("sparse_model", 1, __version__)
    assert check(outputs.history, "history").kind == "history"


def test_equal_content_has_an_equal_digest_whatever_made_it(tmp_path: Path):
    one, other, longer = made(tmp_path / "a"), made(tmp_path / "b"), made(tmp_path / "b", count=4)
    edit_manifest(other, code_version="0", parameters={"count": 99})
    digests = [read_manifest(path, "dataset").digest for path in (one, other, longer)]
    assert digests[0] == digests[1] != digests[2]


def test_a_crash_leaves_the_old_artifacts_untouched(tmp_path: Path):
    inputs, outputs = MultiplyInputs(made(tmp_path)), outputs_in(tmp_path / "out")
    run(MultiplyParams(), inputs, outputs)
    before = contents(outputs.sparse_model), contents(outputs.history)
    with pytest.raises(ZeroDivisionError):
        run(MultiplyParams(factor=9, crash=True), inputs, outputs)
    assert (contents(outputs.sparse_model), contents(outputs.history)) == before
    assert multiply.is_done(MultiplyParams(), inputs, outputs)


def test_a_crash_leaves_no_new_artifact_and_the_next_run_none_of_its_remains(tmp_path: Path):
    inputs, outputs = MultiplyInputs(made(tmp_path)), outputs_in(tmp_path / "out")
    with pytest.raises(ZeroDivisionError):
        run(MultiplyParams(padding=7, crash=True), inputs, outputs)
    assert not outputs.sparse_model.exists()
    assert not outputs.history.exists()
    (tmp_path / "out" / "model.partial").mkdir(exist_ok=True)
    (tmp_path / "out" / "model.partial" / "stray").write_text("from a run that was killed")
    assert (tmp_path / "out" / "model.checkpoint").exists()
    run(MultiplyParams(), inputs, outputs)
    assert set(contents(outputs.sparse_model)) == {MANIFEST, "numbers.json", "deep/padding"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["history", "model"]


def test_a_new_result_replaces_every_file_of_the_old_one(tmp_path: Path):
    inputs, outputs = MultiplyInputs(made(tmp_path)), outputs_in(tmp_path)
    run(MultiplyParams(), inputs, outputs)
    (outputs.sparse_model / "stray").write_text("added later")
    run(MultiplyParams(factor=3), inputs, outputs)
    assert "stray" not in contents(outputs.sparse_model)
    assert not multiply.is_done(MultiplyParams(), inputs, outputs)
    assert multiply.is_done(MultiplyParams(factor=3), inputs, outputs)


def test_a_stage_is_done_only_for_its_own_parameters_inputs_and_code(tmp_path: Path):
    params, inputs, outputs = MultiplyParams(), MultiplyInputs(made(tmp_path)), outputs_in(tmp_path)
    assert not multiply.is_done(params, inputs, outputs)
    run(params, inputs, outputs)
    assert multiply.is_done(params, inputs, outputs)
    assert multiply.is_done(params.model_copy(update={"save_every": 50}), inputs, outputs)
    assert not multiply.is_done(MultiplyParams(factor=3), inputs, outputs)
    assert not multiply.is_done(params, MultiplyInputs(made(tmp_path, count=5)), outputs)
    assert multiply.is_done(params, MultiplyInputs(made(tmp_path / "same content elsewhere")), outputs)
    edit_manifest(outputs.history, code_version="0.0.1")
    assert not multiply.is_done(params, inputs, outputs)


@pytest.mark.parametrize("output", ["sparse_model", "history"])
def test_a_stage_is_not_done_while_any_output_is_missing(output, tmp_path: Path):
    params, inputs, outputs = MultiplyParams(), MultiplyInputs(made(tmp_path)), outputs_in(tmp_path)
    run(params, inputs, outputs)
    (getattr(outputs, output) / MANIFEST).unlink()
    assert not multiply.is_done(params, inputs, outputs)


def test_a_checkpoint_belongs_to_parameters_and_inputs_that_decide_the_result(tmp_path: Path):
    params, inputs = MultiplyParams(), MultiplyInputs(made(tmp_path))
    same = fingerprint(params, inputs)
    assert fingerprint(MultiplyParams(save_every=9, crash=True), inputs) == same
    assert fingerprint(MultiplyParams(factor=3), inputs) != same
    assert fingerprint(params, MultiplyInputs(made(tmp_path, count=5))) != same


def test_a_stage_tells_its_name_its_summary_and_its_ports():
    assert (multiply.name, multiply.summary) == ("multiply", "Multiply all numbers.")
    assert multiply.inputs == (Port("dataset", "dataset"), Port("others", "evaluation", many=True))
    assert multiply.outputs == (Port("sparse_model", "sparse_model"), Port("history", "history"))
    assert make_numbers.inputs == ()


def test_each_of_several_inputs_is_checked_and_recorded_under_its_number(tmp_path: Path):
    dataset, outputs = made(tmp_path), outputs_in(tmp_path)
    evaluations = [made(tmp_path, count=n) for n in (4, 5)]
    for path in evaluations:
        edit_manifest(path, kind="evaluation")
    inputs = MultiplyInputs(dataset, tuple(EvaluationPath(path) for path in evaluations))
    run(MultiplyParams(), inputs, outputs)
    recorded = check(outputs.history, "history").inputs
    digests = [read_manifest(path, "evaluation").digest for path in evaluations]
    assert [recorded["others/0"], recorded["others/1"]] == digests
    swapped = replace(inputs, others=inputs.others[::-1])
    assert not multiply.is_done(MultiplyParams(), swapped, outputs)
    (evaluations[1] / "numbers.json").unlink()
    with pytest.raises(UserError, match="numbers5: evaluation artifact lacks its file"):
        run(MultiplyParams(), inputs, outputs)


def test_an_input_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"nowhere: no dataset artifact there"):
        run(MultiplyParams(), MultiplyInputs(DatasetPath(tmp_path / "nowhere")), outputs_in(tmp_path))
