"""Truth: the system's own count of a process's memory while an artifact passes through it (see the benchmark)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "artifact_memory.py"
MEGABYTES = 128


@pytest.mark.slow
def test_no_stage_holds_a_copy_of_an_artifact_that_it_reads_or_writes(tmp_path):
    out = tmp_path / "memory.json"
    command = [sys.executable, str(BENCHMARK), "--megabytes", str(MEGABYTES), "--small", "8", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    cases = json.loads(out.read_text(encoding="utf-8"))["cases"]
    more = {name: sizes["large"]["anonymous"] - sizes["small"]["anonymous"] for name, sizes in cases.items()}
    # What is read to stay in memory is what it is; were this not counted, nothing would be.
    assert more.pop("load_checkpoint") > 0.8 * (MEGABYTES - 8)
    assert more.keys() == {"measure_baseline", "pass_on", "save_checkpoint", "save_model"}
    assert max(more.values()) < MEGABYTES / 3, more
