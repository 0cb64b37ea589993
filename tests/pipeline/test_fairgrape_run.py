"""Truth: the experiment that asks for it, and the masks and weights the run leaves."""

import json
import re
from pathlib import Path

import pytest
from pipeline.program import Program
from pipeline.workspaces import write_experiment

from prunegap.artifacts.trained_models import SparseModel


@pytest.mark.slow
def test_an_experiment_prunes_by_one_line(program: Program, tmp_path: Path) -> None:
    asked = write_experiment(tmp_path, methods=["nft"], prune={"rule": "fairgrape", "gmp_epochs": 2})
    ended = program("run", asked, "--workspace", tmp_path / "run", "--no-tracking")
    assert ended.code == 0, ended.err
    (folder,) = (tmp_path / "run/steps").glob("prune-*/sparse_model")
    stored = json.loads((folder / "model.json").read_text())["metadata"]
    assert stored["rule"] == "fairgrape"
    sparse = SparseModel.load(folder)
    shares = {name: float((~mask).double().mean()) for name, mask in sparse.network.masks.items() if mask.dim() > 1}
    assert len(shares) > 1
    assert shares == pytest.approx(dict.fromkeys(shares, 0.8), abs=0.01)
    costs = re.findall(r"fairgrape: importance in (\d+) backward passes, .*; of each group: .*", ended.err)
    assert len(costs) == 3, "at the start of epochs 0, 1 and 2"


def test_the_program_lists_it_in_one_line(program: Program) -> None:
    assert re.search(r"^  fairgrape +Keep in each layer .*FairGRAPE", program("methods").out, re.MULTILINE)
