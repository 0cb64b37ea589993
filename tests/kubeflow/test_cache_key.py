"""Truth: data, weights and a network edited between two runs, and what each task's cache key then holds."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from walk import compiled, tasks

from prunegap import source_code
from prunegap.cli.kubeflow_look import look_at

NETWORK = "def build(num_classes, in_channels, image_size):\n    return {}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, weights and an own network, and an experiment that names them."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "table.csv").write_text("image,label\na.png,cat\nb.png,dog\n")
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "dense.pt").write_bytes(b"weights")
    (tmp_path / "net_of_my_own.py").write_text(NETWORK.format(1))
    experiment = {
        "name": "mine",
        "methods": ["nft", "ceag"],
        "prepare_data": {"source": "table", "location": str(tmp_path / "table.csv")},
        "acquire_dense": {"model": "net_of_my_own:build", "weights": str(tmp_path / "dense.pt")},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(experiment))
    return tmp_path


def forget_what_was_read() -> None:
    for cached in (source_code._read, source_code._locate, source_code._home, source_code._beside):
        cached.cache_clear()
    source_code.code_digest.cache_clear()
    sys.path_importer_cache.clear()


def looked_at(stage: str, parameters: Mapping[str, object], folder: Path) -> tuple[str, str]:
    """What the task that looks at a stage's data tells, and what it says."""
    forget_what_was_read()
    told = {
        "inputs": {"parameterValues": parameters},
        "outputs": {"parameters": {"made_from": {"outputFile": str(folder / stage)}}, "outputFile": str(folder / "o")},
    }
    done = CliRunner().invoke(look_at, [stage, json.dumps(told)])
    assert done.exit_code == 0, done.output
    return (folder / stage).read_text(), done.stderr


def keys(place: Path, folder: str) -> dict[str, tuple[str, bool]]:
    """What each task's cache key holds of data and code in a run begun now, and whether the task is cached."""
    forget_what_was_read()
    (place / folder).mkdir()
    spec, _ = compiled(place / "mine.yaml", place / folder)
    found = {}
    for name, task in tasks(spec):
        given = task.get("inputs", {}).get("parameters", {}).get("made_from", {})
        cached = task["cachingOptions"].get("enableCache", False)
        if "runtimeValue" in given:  # finetune's comes with the cell
            found[name] = given["runtimeValue"]["constant"], cached
        if "taskOutputParameter" in given:
            found[name] = looked_at(name.replace("-", "_"), values(spec, name), place / folder)[0], cached
    return found


def values(spec: dict, stage: str) -> dict[str, object]:
    """The parameters that the task of a stage and the one that looks at its data get by default: the same."""
    defaults = spec["root"]["inputDefinitions"]["parameters"]
    given = {name: task["inputs"]["parameters"] for name, task in tasks(spec) if name in {stage, f"look-at-{stage}"}}
    look = given[f"look-at-{stage}"]
    assert look == {name: source for name, source in given[stage].items() if name in look}
    more = {name for name in given[stage].keys() - look.keys() if not name.startswith("pipelinechannel--")}
    assert more == {"step", "tags", "made_from"}
    told = {}
    for name, source in look.items():
        channel = source.get("componentInputParameter", "").removeprefix("pipelinechannel--")
        told[name] = defaults[channel].get("defaultValue") if channel else source["runtimeValue"]["constant"]
    return {name: value for name, value in told.items() if value is not None}


def changed(place: Path, number: int, before: dict[str, tuple[str, bool]]) -> set[str]:
    after = keys(place, f"after{number}")
    assert after.keys() == before.keys()
    return {name for name in before if before[name] != after[name]}


def test_what_changed_is_in_the_key_of_the_task_that_reads_it_and_of_no_other(place: Path):
    before = keys(place, "before")
    assert {"prepare-data", "acquire-dense", "measure-baseline", "prune", "compare"} <= before.keys()
    assert {name for name, (_, cached) in before.items() if not cached} == {"compare"}, "every run has its comparison"
    assert changed(place, 0, before) == set()
    (place / "table.csv").write_text("image,label\na.png,dog\nb.png,cat\n")
    assert changed(place, 1, before) == {"prepare-data"}
    before = keys(place, "with_the_table")
    (place / "a.png").write_bytes(b"another")
    assert changed(place, 2, before) == {"prepare-data"}
    before = keys(place, "with_the_image")
    (place / "dense.pt").write_bytes(b"others")
    assert changed(place, 3, before) == {"acquire-dense"}
    before = keys(place, "with_the_weights")
    (place / "net_of_my_own.py").write_text(NETWORK.format(2))
    assert changed(place, 4, before) == {"acquire-dense"}


def test_of_data_that_cannot_be_looked_at_no_earlier_result_is_taken_and_that_is_said(place: Path):
    table = {"source": "table", "location": str(place / "table.csv")}
    first, said = looked_at("prepare_data", table, place)
    assert (looked_at("prepare_data", table, place), said) == ((first, ""), "")
    (place / "table.csv").unlink()
    unknown, said = looked_at("prepare_data", table, place)
    why = "no cached result is taken, for what it reads cannot be looked at: table.csv, images of table.csv"
    assert said == f"prepare_data: {why}\n"
    assert len({first, unknown, looked_at("prepare_data", table, place)[0]}) == 3


def test_one_compiled_file_run_again_another_day_looks_again(place: Path):
    """A run that is cloned or recurs gets the file as it was compiled, and the data as they are."""
    (place / "once").mkdir()
    spec, platform = compiled(place / "mine.yaml", place / "once")
    parameters, waits = values(spec, "prepare-data"), dict(tasks(spec))
    first = looked_at("prepare_data", parameters, place)
    (place / "table.csv").write_text("image,label\na.png,dog\nb.png,cat\n")
    assert looked_at("prepare_data", parameters, place) != first
    for stage in ("prepare-data", "acquire-dense"):
        look = waits[f"look-at-{stage}"]
        assert look["cachingOptions"] == {}
        assert look["dependentTasks"] == ["plan-cells"]
        mounts = [
            {claim["mountPath"] for claim in platform[f"exec-{one}"]["pvcMount"]} for one in (f"look-at-{stage}", stage)
        ]
        assert "/data" in mounts[0] & mounts[1]
        assert waits[stage]["inputs"]["parameters"]["made_from"] == {
            "taskOutputParameter": {"outputParameterKey": "made_from", "producerTask": f"look-at-{stage}"}
        }


def test_what_it_is_told_wrongly_it_refuses_in_the_words_of_the_stage(program, tmp_path: Path):
    told = json.dumps(
        {"inputs": {"parameterValues": {"source": "tabel"}}, "outputs": {"outputFile": str(tmp_path / "o")}}
    )
    ended = program("prunegap", "look-at", "prepare_data", told)
    assert (ended.code, ended.last.startswith("error: source: source 'tabel' is not known")) == (1, True), ended.err
    told = json.dumps({"outputs": {"outputFile": str(tmp_path / "o")}})
    ended = program("prunegap", "look-at", "prepare_data", told)
    assert (ended.code, ended.last) == (
        1,
        "error: EXECUTOR_INPUT: no place for the output made_from (KeyError: 'parameters')",
    )
    assert not list(tmp_path.iterdir())
