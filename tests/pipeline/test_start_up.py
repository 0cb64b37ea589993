"""Truth: what a fresh process has imported, and the system's count of its memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = ["torch", "torchvision", "sklearn", "matplotlib", "mlflow", "boto3", "kfp", "pyarrow", "PIL"]
PROBE = """
import json, sys
from prunegap.cli import main
words, slow = map(json.loads, sys.argv[1:])
sys.argv = ["prunegap", *words]
try:
    main()
except SystemExit as end:
    code = end.code or 0
else:
    code = 0
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
megabytes = int(status["VmHWM"].split()[0]) / 1000
print(json.dumps([code, megabytes, sorted(set(sys.modules) & set(slow))]), file=sys.stderr)
"""


def started(folder: Path, *words: str) -> tuple[int, float, list[str]]:
    """Start the program in a fresh process; return its exit code, its megabytes, and the slow modules it imported."""
    command = [sys.executable, "-c", PROBE, json.dumps(words), json.dumps(SLOW)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return tuple(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["finetune", "--help"], 0),
        (["close-run", "FINISHED"], 0),
        (["upload", "nowhere"], 1),
        (["run", "refused.yaml"], 1),
        (["show", "nowhere"], 1),
    ],
    ids=str,
)
def test_what_needs_no_network_imports_none(words: list[str], code: int, tmp_path: Path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "refused.yaml").write_text("name: tiny\nmethods: [nft, caeg]\nprune: {sparsty: 0.5}\n")
    ended, megabytes, imported = started(tmp_path, *words)
    assert (ended, imported) == (code, [])
    assert megabytes < 150


def test_showing_a_finished_run_imports_no_network(finished: Path, tmp_path: Path):
    ended, megabytes, imported = started(tmp_path, "show", str(finished))
    assert (ended, imported) == (0, [])
    assert megabytes < 150
