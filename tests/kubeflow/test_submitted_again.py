"""Truth: what an undisturbed run finds, and the log of a stage whose first attempt was killed with its whole run."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from same_figures import models
from walk import BIN, ROOT

LONGER = ("prune.finetune_epochs=30", "seeds=[0]", "methods=[{method: ceag, dual_step_size: 0.03}]")
OVERRIDES = tuple(word for one in LONGER for word in ("--set", one))
STEP = "finetune-sparsity90-seed0-ceag"


def process_of(stage: str, folder: Path) -> int | None:
    """Return the id of the process that carries out a stage below a folder."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if (
                "kubeflow-task" in words
                and words[words.index("kubeflow-task") + 1] == stage
                and str(folder) in words[-2]
            ):
                return int(path.parent.name)
    return None


@pytest.mark.slow
def test_a_stage_of_a_lost_run_goes_on_from_its_checkpoint_when_the_run_is_submitted_again(program, tmp_path):
    folder, once = tmp_path / "run", tmp_path / "once.yaml"
    once.write_text("retries: 0\n")  # as where Argo does not try a lost pod again
    words = ("run-local", "experiments/smoke.yaml", *OVERRIDES, "--image", "prunegap/stage:test", "--cache")
    words = ("prunegap-pipelines", *words, "--resources", once, "--folder", folder)
    lost = subprocess.Popen(
        [BIN / words[0], *map(str, words[1:])], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while (stage := process_of("finetune", folder)) is None or not list(folder.glob("checkpoints/[!.]*.checkpoint")):
        assert lost.poll() is None, lost.communicate()
        time.sleep(0.05)
    os.kill(stage, signal.SIGKILL)
    _, said = lost.communicate()
    assert lost.returncode == 1, said
    assert f"{STEP}: failed with exit code -9" in said
    (checkpoint,) = folder.glob("checkpoints/[!.]*.checkpoint")

    again = program(*words)
    assert again.code == 0, again.err
    assert {"acquire_dense", "measure_baseline", "prune-sparsity90-seed0"}.isdisjoint(again.done)
    assert STEP in again.done
    logs = sorted(folder.glob("prunegap-smoke-*/**/finetune/log.txt"), key=lambda path: path.stat().st_mtime)
    assert len(logs) == 2
    went_on = re.search(r"goes on from its checkpoint at epoch\s+(\d+)", logs[-1].read_text())
    assert went_on, [log.read_text() for log in logs]
    assert int(went_on[1]) >= 1
    assert not checkpoint.exists(), "a finished stage needs none"

    undisturbed = tmp_path / "ws"
    words = ("run", "experiments/smoke.yaml", *OVERRIDES, "--workspace", undisturbed, "--no-tracking")
    whole = program("prunegap", *words)
    assert whole.code == 0, whole.err
    assert models(folder) == models(undisturbed / "steps") != []
