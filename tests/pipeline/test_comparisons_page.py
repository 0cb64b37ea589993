"""The page of methods to compare with. Truth: its own commands and code, and a count of the two networks' answers."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml
from core.outside_package import installed

from prunegap.artifacts.baseline import Baseline
from prunegap.pipeline import Experiment
from prunegap.training.methods import find_method

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "method/comparisons.md").read_text()
NARROW = """
from torch import nn


def narrow_cnn(num_classes, in_channels, image_size):
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, num_classes)
    )
"""


def blocks(language: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_list_of_methods_is_that_of_an_experiment():
    methods = yaml.safe_load(blocks("yaml")[0])
    named = {"name": "x", "prepare_data": {"validation_share": 0.1}}
    experiment = Experiment.model_validate(named | methods)
    assert [one.method for one in experiment.methods][1:-1] == re.findall(r"^## (\w+_?\w+)$", PAGE, flags=re.MULTILINE)


def test_dense_networks_of_another_seed_and_of_another_size_are_audited(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    experiment = blocks("yaml")[1]
    Path("retrained.yaml").write_text(experiment + "threads: 1\n")
    Path("your_package").mkdir()
    Path("your_package/networks.py").write_text(NARROW)
    for line in blocks("sh")[0].splitlines():
        words = shlex.split(line)
        words += ["--no-tracking"] if words[1] == "run" else []
        program = [sys.executable, "-m", *words]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        ended = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
    exec(blocks("python")[0], {})
    told = capsys.readouterr().out.splitlines()

    steps = Path("runs/retrained/steps")
    folders = [steps / "measure_baseline-seed0", steps / "measure_baseline-seed1", Path("runs/small")]
    first, *others = (Baseline.load(folder / "baseline").outcomes["test"].correct for folder in folders)
    assert len(told) == 2
    for line, other in zip(told, others, strict=True):
        churn = int((first != other).sum()) / len(first)
        assert churn > 0
        assert f"churn {churn:.1%}, max psi" in line


def test_the_method_of_one_s_own_is_found_as_written(tmp_path):
    text = (DOCS / "extending.md").read_text()
    code = next(block for block in blocks("python", text) if "LAST = Method" in block)
    name, place = re.findall(r'^(\w+) = "your_package\.(\w+:\w+)"$', text, flags=re.MULTILINE)[-1]
    with installed(tmp_path, place.partition(":")[0], code, {"methods": {name: place}}):
        method = find_method(name)
        import torch

        assert method.group_weights is not None
        assert method.group_weights(torch.tensor([3, 2, 4])).tolist() == [0, 0, 1]
        assert method.summary.endswith("alone.")
