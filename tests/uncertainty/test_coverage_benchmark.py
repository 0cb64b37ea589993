"""Truth: the committed table of the benchmark, what it must reach, and a small run of it."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


COMMITTED = rows(ROOT / "benchmarks/results/coverage/limits.csv")


@pytest.mark.parametrize("row", COMMITTED, ids=lambda row: row["setting"])
def test_all_limits_hold_together_as_often_as_they_say(row: dict[str, str]) -> None:
    assert float(row["coverage"]) >= 0.95 - float(row["two_standard_errors"])
    assert int(row["repetitions"]) == (500 if row["setting"].startswith("1000 x") else 2000)


def test_limits_are_not_wider_than_asked_for() -> None:
    width = {row["setting"]: row["half_width_over_ideal"] for row in COMMITTED}
    assert float(width["100 x 100, churn .25"]) <= 1.10
    assert float(width["100 x 100, churn .05"]) <= 1.50


def test_the_documentation_shows_the_committed_table() -> None:
    text = (ROOT / "docs/method/uncertainty.md").read_text()
    shown = re.findall(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+|-) \|$", text, flags=re.MULTILINE)
    told = [(r["setting"], f"{float(r['coverage']):.3f}", r["half_width_over_ideal"] or "-") for r in COMMITTED]
    assert shown == told


def test_a_small_run_measures_every_setting(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/coverage.py", "--repetitions", "40", "--out", str(tmp_path / "limits.csv")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    found = rows(tmp_path / "limits.csv")
    assert [row["setting"] for row in found] == [row["setting"] for row in COMMITTED]
    for row, committed in zip(found, COMMITTED, strict=True):
        if row["half_width_over_ideal"]:  # the same truth, drawn less often
            assert float(row["half_width_over_ideal"]) == pytest.approx(
                float(committed["half_width_over_ideal"]), rel=0.15
            )
    assert np.mean([float(row["coverage"]) for row in found]) > 0.95
