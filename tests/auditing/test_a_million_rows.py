"""Truth: counts by numpy of a million rows in a thousand groups; memory as the kernel counted it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

ROWS, GROUPS = 1_000_000, 1000
NOTED = """
import atexit, pathlib, runpy
atexit.register(lambda: pathlib.Path("status").write_text(pathlib.Path("/proc/self/status").read_text()))
runpy.run_module("prunegap", run_name="__main__")
"""
"""The program, which notes at its end what the kernel counted of it alone: a child's usage may hold its parent's."""


@pytest.mark.slow
def test_a_million_rows_in_a_thousand_groups_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    group, label = rng.integers(0, GROUPS, ROWS), rng.integers(0, 10, ROWS)
    before = np.where(rng.random(ROWS) < 0.9, label, 10)
    after = np.where(rng.random(ROWS) < 0.95, before, 11)
    names = np.array([f"g{number}" for number in range(GROUPS)])
    columns = {"label": label, "dense": before, "sparse": after, "group": names[group]}
    pa_csv.write_csv(pa.table(columns), tmp_path / "rows.csv")
    usual = ["--label", "label", "--before", "dense", "--after", "sparse", "--group", "group", "--tolerance", "0.5"]
    done = subprocess.run(
        [sys.executable, "-c", NOTED, "audit", "rows.csv", *usual, "--json", "audit.json"], cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    peak = next(line for line in (tmp_path / "status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 1_000_000, "kilobytes"
    told = {one["name"]: one for one in json.loads((tmp_path / "audit.json").read_text())["groups"]}
    lost = np.bincount(group[(before == label) & (after != label)], minlength=GROUPS)
    assert {name: one["lost"] for name, one in told.items()} == dict(zip(names.tolist(), lost.tolist(), strict=True))
