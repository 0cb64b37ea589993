"""Truth: the committed tables of the simulations, what they must reach, and small runs of them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks/results/coverage"
BOUNDS = ("max_psi_upper", "max_psi_lower", "psi_pw_upper", "psi_pw_lower")
Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


LIMITS, SEEDS = rows(RESULTS / "limits.csv"), rows(RESULTS / "seeds.csv")


def name(row: Row) -> str:
    return " ".join(row[one] for one in ("setting", "seeds", "seed_over_image_variance", "correlation") if one in row)


def run(script: str, *flags: str) -> str:
    command = [sys.executable, "-W", "error", str(ROOT / "benchmarks" / script), *flags]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("row", LIMITS, ids=name)
def test_all_limits_hold_together_as_often_as_they_say(row: Row) -> None:
    assert float(row["coverage"]) >= 0.95 - float(row["two_standard_errors"])
    assert int(row["repetitions"]) == (500 if row["setting"].startswith("1000 x") else 2000)


@pytest.mark.parametrize("row", LIMITS, ids=name)
def test_bounds_of_the_largest_hold_and_a_model_at_the_boundary_is_seldom_admitted(row: Row) -> None:
    assert min(float(row[bound]) for bound in BOUNDS) >= 0.94
    assert float(row["wrongly_admitted"]) <= 0.05 + float(row["two_standard_errors"])


def test_the_settings_have_models_at_the_boundary_that_are_sometimes_admitted() -> None:
    """A rule that never admits would be right in all of them."""
    assert sum(float(row["wrongly_admitted"]) >= 0.02 for row in LIMITS) >= 3


def test_limits_are_not_wider_than_asked_for() -> None:
    width = {row["setting"]: row["half_width_over_ideal"] for row in LIMITS}
    assert float(width["100 x 100, churn .25"]) <= 1.10
    assert float(width["100 x 100, churn .05"]) <= 1.50


@pytest.mark.parametrize("row", SEEDS, ids=name)
def test_limits_over_seeds_hold_together_as_often_as_they_say(row: Row) -> None:
    least = 0.95 - float(row["two_standard_errors"])
    assert float(row["coverage"]) >= least
    if not (row["seeds"] == "3" and "one group only" in row["setting"]):  # the documentation says by how much
        assert float(row["by_examples"]) >= least


@pytest.mark.parametrize("result", ["limits", "seeds"])
def test_results_say_when_on_what_and_how_they_were_measured(result: str) -> None:
    told = json.loads((RESULTS / f"{result}.json").read_text(encoding="utf-8"))
    assert {"date", "command", "processor", "cores", "python", "load_before", "load_after"} <= set(told)
    assert told["command"].startswith("python benchmarks/")


def test_the_documentation_shows_the_committed_tables() -> None:
    text, tables = (ROOT / "docs/method/uncertainty.md").read_text(), run("coverage_tables.py").strip().split("\n\n")
    assert len(tables) == 3
    for table in tables:
        assert f"\n\n{table}\n\n" in text


def test_the_documentation_tells_what_seeds_cost_as_the_results_do() -> None:
    text = (ROOT / "docs/method/uncertainty.md").read_text()
    counts, examples = (
        np.median([float(row[f"{one}half_width_over_ideal"]) for row in SEEDS]) for one in ("", "by_examples_")
    )
    assert f"a median of {counts:.2f} times the ideal ones" in text
    assert f"(*by examples*: {examples:.2f} times)" in text
    (hardest,) = (row for row in SEEDS if row["seeds"] == "3" and "one group only" in row["setting"])
    assert f"hold in {float(hardest['by_examples']):.4f} where .940 is asked for" in " ".join(text.split())


def small(script: str, out: Path) -> list[Row]:
    run(script, "--repetitions", "40", "--out", str(out))
    return rows(out)


@pytest.mark.slow
@pytest.mark.parametrize(("script", "committed"), [("coverage.py", LIMITS), ("seed_coverage.py", SEEDS)])
def test_a_small_run_measures_every_setting(script: str, committed: list[Row], tmp_path: Path) -> None:
    found = small(script, tmp_path / "found.csv")
    assert [name(row) for row in found] == [name(row) for row in committed]
    assert [list(row) for row in found] == [list(row) for row in committed]
    for row, before in zip(found, committed, strict=True):
        if row["half_width_over_ideal"]:  # the same truth, drawn less often
            rel = 0.15 if committed is LIMITS else 0.5  # what is ideal over seeds is itself of the draws
            assert float(row["half_width_over_ideal"]) == pytest.approx(float(before["half_width_over_ideal"]), rel=rel)
    assert np.mean([float(row["coverage"]) for row in found]) > 0.95
