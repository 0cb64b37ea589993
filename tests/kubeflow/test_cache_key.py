"""Truth: data, weights and a network edited between two compilations, and the constant each task was given."""

import sys
from pathlib import Path

import pytest
import yaml
from walk import compiled, tasks

from prunegap import source_code

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


def keys(place: Path, folder: str, *, later: bool = False) -> dict[str, tuple[str, bool]]:
    """What each task's cache key holds of data and code, and whether the task is cached."""
    for cached in (source_code._read, source_code._locate, source_code._home, source_code._beside):
        cached.cache_clear()
    source_code.code_digest.cache_clear()
    sys.path_importer_cache.clear()
    (place / folder).mkdir()
    spec, _ = compiled(place / "mine.yaml", place / folder, later=later)
    found = {}
    for name, task in tasks(spec):
        given = task.get("inputs", {}).get("parameters", {}).get("made_from", {})
        if "runtimeValue" in given:  # finetune's comes with the cell
            found[name] = given["runtimeValue"]["constant"], task["cachingOptions"].get("enableCache", False)
    return found


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


def test_data_that_cannot_be_looked_at_are_not_cached_and_that_is_said(place: Path, caplog: pytest.LogCaptureFixture):
    (place / "table.csv").unlink()
    cached = {name: cached for name, (_, cached) in keys(place, "gone").items()}
    assert not cached.pop("prepare-data")
    assert not cached.pop("compare")
    assert all(cached.values())
    assert "prepare_data: is not cached, for what it reads cannot be looked at from here: table.csv" in caplog.text


def test_a_file_that_may_run_another_day_caches_nothing_that_reads_what_may_change(place: Path, caplog):
    cached = {name: cached for name, (_, cached) in keys(place, "later", later=True).items()}
    assert {name for name, one in cached.items() if not one} == {"prepare-data", "acquire-dense", "compare"}
    assert "prepare_data: is not cached, for what it reads may change before the file runs: table.csv" in caplog.text


def test_the_command_compile_makes_such_a_file_and_built_in_data_stay_cached(place: Path, program):
    package = place / "package.yaml"
    for experiment, cached in ((place / "mine.yaml", False), ("experiments/smoke.yaml", True)):
        ended = program(
            "prunegap-pipelines", "compile", experiment, "--output", package, env={"PYTHONPATH": str(place)}
        )
        assert ended.code == 0, ended.err
        given = dict(tasks(next(yaml.safe_load_all(package.read_text()))))
        assert given["prepare-data"]["cachingOptions"].get("enableCache", False) is cached
        assert ("prepare_data: is not cached" in ended.err) is not cached
