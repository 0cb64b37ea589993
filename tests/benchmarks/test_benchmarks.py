"""Truth: the README of the benchmarks, whose tables and commands must be those of the result files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
RESULTS = sorted((FOLDER / "results").glob("*.json"))
TINY = ["--model", "small_cnn", "--batch-size", "8", "--threads", "1"]
CONDITIONS = {"date", "command", "processor", "cores", "torch", "threads", "settings", "load_before", "load_after"}


def run(script: str, *flags: str) -> str:
    command = [sys.executable, str(FOLDER / script), *flags]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def result_of(script: str, out: Path, *flags: str) -> dict[str, Any]:
    run(script, *TINY, *flags, "--out", str(out))
    return json.loads(out.read_text(encoding="utf-8"))


def columns_filled(table: str) -> bool:
    return all(cell.strip() for line in table.splitlines() for cell in line.strip("|").split("|"))


def test_a_tiny_step_cost_fills_every_column_of_its_table(tmp_path):
    out = tmp_path / "step.json"
    flags = ["--examples", "64", "--rounds", "2", "--repeats", "3", "--groups", "2", "30"]
    result = result_of("step_cost.py", out, *flags)
    assert result["conditions"].keys() >= CONDITIONS
    table = run("tables.py", str(out))
    assert len(table.splitlines()) == 2 + len(["2", "30"])
    assert columns_filled(table)
    for row in result["results"]:
        assert all(one["low"] <= one["median"] <= one["high"] for one in row["ratios"].values())
        assert min(row["pieces_ms"].values()) > 0


@pytest.mark.slow
def test_a_tiny_memory_run_fills_every_column_of_its_table(tmp_path):
    out = tmp_path / "memory.json"
    result = result_of("memory.py", out, "--examples", "64", "--groups", "3", "--epochs", "1", "--cases", "ceag")
    assert result["conditions"].keys() >= CONDITIONS
    assert columns_filled(run("tables.py", str(out)))
    stored = 64 * (3 * 32 * 32 + 8 + 8) / 1e6  # uint8 pixels, two int64 a label and group
    assert result["budget_mb"]["data_set"] == pytest.approx(stored, abs=0.01)
    assert [line["what"] for line in result["bars"]] == ["peak of ceag, MB"]


@pytest.mark.slow
def test_a_tiny_overhead_run_accounts_for_every_step_in_both_ways(tmp_path):
    out = tmp_path / "overhead.json"
    tiny = ["acquire_dense.epochs=1", "prune.gmp_epochs=1", "prune.finetune_epochs=1", "seeds=[0]", "methods=[nft]"]
    experiment = str(FOLDER.parent / "experiments" / "digits.yaml")
    run("overhead.py", experiment, *(flag for one in tiny for flag in ("--set", one)), "--out", str(out))
    result = json.loads(out.read_text(encoding="utf-8"))
    apart, together = result["processes"], result["one_process"]
    assert result["conditions"].keys() >= CONDITIONS
    assert together.keys() - apart.keys() == {"(the run itself)"}
    assert len(apart) == 8
    reading = [name for name in apart if name != "prepare_data"]
    for steps in (apart, together):
        assert all(min(steps[name][part] for part in ("hash", "read")) > 0 for name in reading)
        assert all(min(steps[name][part] for part in ("seal", "tracking", "write", "own")) > 0 for name in apart)
    assert min(min(apart[name][part] for part in ("interpreter", "torch", "imports", "mlflow")) for name in apart) > 0


def test_a_tiny_selection_picks_the_same_weights_and_fills_its_table(tmp_path):
    out = tmp_path / "selection.json"
    run("fairgrape_selection.py", "--scale", "0.001", "--picks", "20", "--rounds", "1", "--out", str(out))
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["conditions"].keys() >= CONDITIONS
    assert [row["same_first_picks"] for row in result["results"]] == [True] * 6
    assert len(result["bars"]) == 2
    assert columns_filled(run("tables.py", str(out)))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_readme_shows_each_result_file_as_it_was_measured(path):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert run("tables.py", str(path)).strip() in readme
    assert json.loads(path.read_text(encoding="utf-8"))["conditions"]["command"] in readme
