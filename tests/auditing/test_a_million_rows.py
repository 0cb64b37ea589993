"""Truth: counts by numpy of a million rows in a thousand groups; memory as the kernel counted it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

ROWS, GROUPS = 1_000_000, 1000


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
    words = [sys.executable, "-m", "prunegap", "audit", "rows.csv", *usual, "--json", "audit.json"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL) as program:
        _, status, usage = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0
    assert usage.ru_maxrss < 1_000_000, "kilobytes"
    told = {one["name"]: one for one in json.loads((tmp_path / "audit.json").read_text())["groups"]}
    lost = np.bincount(group[(before == label) & (after != label)], minlength=GROUPS)
    assert {name: one["lost"] for name, one in told.items()} == dict(zip(names.tolist(), lost.tolist(), strict=True))
