"""Truth: hashlib over the files, edits made by hand to sealed artifacts, and the bytes that stood there before."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from core.small_stages import (
    Length,
    MakeParams,
    MultiplyParams,
    Numbers,
    Product,
    changes,
    contents,
    digest,
    inputs_of,
    made,
    make_numbers,
    multiply,
    outputs_in,
    run,
)

from prunegap import __version__
from prunegap.artifacts.identity import Identity
from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import MANIFEST, check, seal, staging_beside
from prunegap.errors import UserError
from prunegap.stages.contract import Port, stage
from prunegap.tracking.protocol import NullTracker
from prunegap.training.checkpoints import Checkpoint


def edit_manifest(artifact: Path, **changes: object) -> None:
    stored = json.loads((artifact / MANIFEST).read_text())
    (artifact / MANIFEST).write_text(json.dumps(stored | changes))


def change_a_byte(artifact: Path) -> None:
    (artifact / "numbers.json").write_text("[0, 1, 3]")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed byte": (change_a_byte, r"numbers3/numbers\.json: .*changed or damaged"),
    "missing file": (lambda a: (a / "numbers.json").unlink(), r"numbers3: numbers artifact lacks its file 'numbers.js"),
    "wrong kind": (lambda a: edit_manifest(a, kind="baseline"), r"numbers3: expected .* 'numbers', found 'baseline'"),
    "other schema": (lambda a: edit_manifest(a, schema_version=7), r"numbers3: .* schema version 7, this program .* 2"),
    "no manifest": (lambda a: (a / MANIFEST).unlink(), r"numbers3: no numbers artifact there \(manifest\.json is miss"),
    "no JSON": (lambda a: (a / MANIFEST).write_text("{"), r"numbers3/manifest\.json: unreadable manifest"),
    "other fields": (lambda a: edit_manifest(a, more=1), r"numbers3/manifest\.json: unreadable manifest"),
    "no text": (lambda a: (a / MANIFEST).write_bytes(b"\xff\xfe"), r"numbers3/manifest\.json: unreadable manifest"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_input_is_refused_by_name_and_nothing_is_written(case, tmp_path: Path):
    damage, message = REFUSED[case]
    numbers, outputs = made(tmp_path), outputs_in(tmp_path / "out")
    damage(numbers)
    with pytest.raises(UserError, match=message) as caught:
        run(MultiplyParams(), inputs_of(numbers), outputs)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_stage_is_called_with_values_and_gives_values(tmp_path: Path):
    given = Checkpoint(tmp_path / "checkpoint", "")
    result = multiply(MultiplyParams(factor=4), Numbers([1, 2]), (Length(1),), checkpoint=given)
    assert (result.product, result.length) == (Product([4, 8]), Length(3))


def test_a_manifest_holds_the_hash_of_every_file_and_what_made_it(tmp_path: Path):
    numbers, outputs = made(tmp_path), outputs_in(tmp_path)
    run(MultiplyParams(factor=5, padding=4, read="v1"), inputs_of(numbers), outputs)
    manifest = check(outputs["product"], "product")
    files = {name: data for name, data in contents(outputs["product"]).items() if name != MANIFEST}
    assert set(files) == {"numbers.json", "deep/padding"}
    assert manifest.files == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert json.loads(files["numbers.json"]) == [0, 5, 10]
    assert manifest.identity.parameters == {"factor": 5, "padding": 4}
    assert manifest.identity.inputs == {"numbers": digest(numbers, "numbers")}
    assert manifest.identity.outside == {"the table": "v1"}
    assert {"prunegap's code", "torch", "numpy", "the code of the method"} <= set(manifest.identity.code)
    assert (manifest.kind, manifest.schema_version, manifest.made_on["prunegap"]) == ("product", 2, __version__)
    assert check(outputs["length"], "length").identity == manifest.identity


def test_equal_content_has_an_equal_digest_whatever_made_it(tmp_path: Path):
    one, other, longer = made(tmp_path / "a"), made(tmp_path / "b"), made(tmp_path / "b", count=4)
    edit_manifest(other, made_on={}, identity={"parameters": {"count": 99}})
    digests = [digest(path, "numbers") for path in (one, other, longer)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("when", ["work", "save"])
def test_a_crash_leaves_the_old_artifacts_untouched(when, tmp_path: Path):
    inputs, outputs = inputs_of(made(tmp_path)), outputs_in(tmp_path / "out")
    run(MultiplyParams(), inputs, outputs)
    before = contents(outputs["length"])
    with pytest.raises(ZeroDivisionError):
        run(MultiplyParams(crash=when), inputs, outputs)
    assert contents(outputs["length"]) == before
    assert changes(MultiplyParams(), inputs, outputs) == []


@pytest.mark.parametrize("when", ["work", "save"])
def test_a_crash_leaves_nothing_half_written_and_the_checkpoint(when, tmp_path: Path):
    inputs, outputs = inputs_of(made(tmp_path)), outputs_in(tmp_path / "out")
    with pytest.raises(ZeroDivisionError):
        run(MultiplyParams(crash=when), inputs, outputs)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left - {"product"} == {"product.checkpoint"}
    run(MultiplyParams(), inputs, outputs)
    assert set(contents(outputs["product"])) == {MANIFEST, "numbers.json", "deep/padding"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["length", "product"]


def test_two_attempts_at_one_artifact_share_no_file_and_the_later_one_stays(tmp_path: Path):
    target, ends = tmp_path / "numbers", list[str]()

    def attempt(number: int) -> None:
        staging = staging_beside(target)
        (staging / "numbers.json").write_text(f"[{number}]")
        both.wait()
        seal(staging, target, kind="numbers", identity=Identity({"count": number}), made_on={})
        ends.append(f"[{number}]")

    for _ in range(20):
        both = threading.Barrier(4)
        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        manifest = check(target, "numbers")
        assert (target / "numbers.json").read_text() == f"[{manifest.identity.parameters['count']}]"
        assert [path.name for path in tmp_path.iterdir()] == ["numbers"]
    assert len(ends) == 80


def test_an_artifact_can_be_read_by_another_user(tmp_path: Path):
    assert made(tmp_path).stat().st_mode & 0o055 == 0o055


def test_a_new_result_replaces_every_file_of_the_old_one(tmp_path: Path):
    inputs, outputs = inputs_of(made(tmp_path)), outputs_in(tmp_path)
    run(MultiplyParams(), inputs, outputs)
    (outputs["product"] / "stray").write_text("added later")
    run(MultiplyParams(factor=3), inputs, outputs)
    assert "stray" not in contents(outputs["product"])
    assert changes(MultiplyParams(factor=3), inputs, outputs) == []


def test_what_changed_since_a_result_was_made_is_named(tmp_path: Path):
    params, inputs, outputs = MultiplyParams(read="v1", method="m1"), inputs_of(made(tmp_path)), outputs_in(tmp_path)
    assert changes(params, inputs, outputs) is None
    run(params, inputs, outputs)
    assert changes(params, inputs, outputs) == []
    assert changes(params.model_copy(update={"save_every": 50}), inputs, outputs) == []
    assert changes(params.model_copy(update={"factor": 3}), inputs, outputs) == ["parameter factor"]
    assert changes(params, inputs_of(made(tmp_path, count=5)), outputs) == ["numbers"]
    assert changes(params, inputs_of(made(tmp_path / "same content elsewhere")), outputs) == []
    assert changes(params.model_copy(update={"read": "v2"}), inputs, outputs) == ["the table"]
    assert changes(params.model_copy(update={"read": "unknown"}), inputs, outputs) == []
    recoded = params.model_copy(update={"method": "m2"})
    assert changes(recoded, inputs, outputs) == ["the code of the method"]
    assert changes(recoded, inputs, outputs, keep_code=True) == []
    assert changes(recoded.model_copy(update={"read": "v2"}), inputs, outputs, keep_code=True) == ["the table"]


def test_a_parameter_that_older_code_did_not_have_stood_at_its_default(tmp_path: Path):
    params, inputs, outputs = MultiplyParams(method="m1"), inputs_of(made(tmp_path)), outputs_in(tmp_path)
    run(params, inputs, outputs)
    manifest = outputs["product"] / "manifest.json"
    without = json.loads(manifest.read_text())
    del without["identity"]["parameters"]["factor"]
    manifest.write_text(json.dumps(without))
    assert changes(params, inputs, outputs) == ["parameter factor"]
    assert changes(params, inputs, outputs, keep_code=True) == []
    assert changes(params.model_copy(update={"factor": 3}), inputs, outputs, keep_code=True) == ["parameter factor"]


def test_each_output_counts(tmp_path: Path):
    params, inputs, outputs = MultiplyParams(), inputs_of(made(tmp_path)), outputs_in(tmp_path)
    run(params, inputs, outputs)
    stored = json.loads((outputs["length"] / MANIFEST).read_text())
    edit_manifest(outputs["length"], identity=stored["identity"] | {"code": {"prunegap's code": "older"}})
    assert changes(params, inputs, outputs)[0] == "prunegap's code"
    edit_manifest(outputs["length"], schema_version=1)
    assert changes(params, inputs, outputs) == ["format of the artifact"]


@pytest.mark.parametrize("output", ["product", "length"])
def test_a_stage_is_not_done_while_any_output_is_missing(output, tmp_path: Path):
    params, inputs, outputs = MultiplyParams(), inputs_of(made(tmp_path)), outputs_in(tmp_path)
    run(params, inputs, outputs)
    outputs[output].rename(tmp_path / "away")
    assert changes(params, inputs, outputs) is None
    outputs[output].mkdir()
    assert changes(params, inputs, outputs) == ["format of the artifact"]


def test_a_checkpoint_belongs_to_what_decides_the_result(tmp_path: Path):
    params, inputs = MultiplyParams(), inputs_of(made(tmp_path))
    same = multiply.identity(params, inputs).digest
    assert multiply.identity(MultiplyParams(save_every=9, crash="work"), inputs).digest == same
    for other in (MultiplyParams(factor=3), MultiplyParams(read="v2"), MultiplyParams(method="m2")):
        assert multiply.identity(other, inputs).digest != same
    assert multiply.identity(params, inputs_of(made(tmp_path, count=5))).digest != same


def test_a_stage_tells_its_name_its_summary_and_its_ports():
    assert (multiply.name, multiply.summary) == ("multiply", "Multiply all numbers.")
    assert multiply.inputs == (Port("numbers", Numbers), Port("others", Length, many=True))
    assert multiply.outputs == (Port("product", Product), Port("length", Length))
    assert (make_numbers.inputs, make_numbers.outputs) == ((), (Port("numbers", Numbers),))


def test_a_stage_of_anything_but_artifacts_is_refused():
    def wrong(params: MakeParams, numbers: int) -> Numbers:
        """Take a number that is no artifact."""
        return Numbers([numbers])

    with pytest.raises(TypeError, match="numbers: a stage takes and gives kinds of artifact, got <class 'int'>"):
        stage(wrong)


def test_two_classes_share_no_kind():
    with pytest.raises(TypeError, match="kind 'numbers' is Numbers already, Others needs another"):

        class Others(Artifact, kind="numbers"):  # pyright: ignore[reportUnusedClass]
            pass


def test_each_of_several_inputs_is_checked_and_recorded_under_its_number(tmp_path: Path):
    numbers, outputs = made(tmp_path), outputs_in(tmp_path)
    others = []
    for count in (4, 5):
        folder = outputs_in(tmp_path / str(count))
        run(MultiplyParams(), inputs_of(made(tmp_path, count=count)), folder)
        others.append(folder["length"])
    inputs = inputs_of(numbers, *others)
    run(MultiplyParams(), inputs, outputs)
    recorded = check(outputs["length"], "length").identity.inputs
    assert [recorded["others/0"], recorded["others/1"]] == [digest(path, "length") for path in others]
    assert changes(MultiplyParams(), inputs_of(numbers, *others[::-1]), outputs) == ["others/0", "others/1"]
    (others[1] / "length.json").unlink()
    with pytest.raises(UserError, match="length: length artifact lacks its file"):
        run(MultiplyParams(), inputs, outputs)


def test_an_input_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"nowhere: no numbers artifact there"):
        run(MultiplyParams(), inputs_of(tmp_path / "nowhere"), outputs_in(tmp_path))


@dataclass(frozen=True)
class Sum(Artifact, kind="sum"):
    total: int

    def save(self, folder: Path) -> None:
        (folder / "total.json").write_text(str(self.total))

    @classmethod
    def load(cls, folder: Path) -> "Sum":
        return cls(int((folder / "total.json").read_text()))


@stage
def add(params: MakeParams, numbers: Numbers, product: Product) -> Sum:
    """Add numbers and a product of them."""
    return Sum(sum(numbers.values) + sum(product.values))


def test_an_input_made_from_another_input_than_the_one_given_is_refused(tmp_path: Path):
    numbers, others, outputs = made(tmp_path), made(tmp_path, count=4), outputs_in(tmp_path)
    run(MultiplyParams(), inputs_of(numbers), outputs)
    add.run(MakeParams(), {"numbers": numbers, "product": outputs["product"]}, {"sum": tmp_path / "sum"}, NullTracker())
    assert Sum.load(tmp_path / "sum") == Sum(9)
    with pytest.raises(UserError, match=r"product: this product was made from another numbers than .*numbers4; give"):
        add.run(
            MakeParams(), {"numbers": others, "product": outputs["product"]}, {"sum": tmp_path / "s"}, NullTracker()
        )
    assert not (tmp_path / "s").exists()


@stage
def differ(params: MakeParams, product: Product, length: Length) -> Sum:
    """Compare two results."""
    return Sum(sum(product.values) - length.length)


def test_two_inputs_made_from_different_sources_are_refused(tmp_path: Path):
    one, other = outputs_in(tmp_path / "one"), outputs_in(tmp_path / "other")
    run(MultiplyParams(), inputs_of(made(tmp_path)), one)
    run(MultiplyParams(), inputs_of(made(tmp_path, count=4)), other)
    with pytest.raises(UserError, match=r"this length was made from another numbers than .*product was; give"):
        differ.run(
            MakeParams(),
            {"product": one["product"], "length": other["length"]},
            {"sum": tmp_path / "sum"},
            NullTracker(),
        )
