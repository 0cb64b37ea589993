"""Truth: the README itself. Every command in it runs, every file it shows is accepted, every target it names exists."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from prunegap.constraints import formulation
from prunegap.pipeline import Experiment

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
QUICK = (
    "seeds=[0]", "acquire_dense.epochs=1", "prune.gmp_epochs=1", "prune.finetune_epochs=1", "threads=1",
    "methods=[nft,ceag]",
)  # fmt: skip
RUN = f"{sys.executable} -m prunegap"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it, with faces in FOLDER and a table of images."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "experiments", folder / "experiments")
    faces = folder / "FOLDER"
    faces.mkdir()
    rng = np.random.default_rng(0)
    for number in range(150):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        name = f"{20 + number % 50}_{number % 2}_{number % 5}_{number:017d}.jpg.chip.jpg"
        Image.fromarray(pixels).save(faces / name)
    names = sorted(path.name for path in faces.iterdir())
    rows = [f"FOLDER/{n},{'cat' if i % 2 else 'dog'},{'light' if i % 3 else 'dark'},{'f' if i % 5 else 'm'}"
            for i, n in enumerate(names)]  # fmt: skip
    (folder / "images.csv").write_text("\n".join(["image,label,skin_tone,sex", *rows]) + "\n")
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        shlex.split(command), cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


def quickly(command: str) -> str:
    """The same command with tiny epochs; the reader's own --set comes last and wins."""
    if not command.startswith("prunegap run"):
        return command.replace("prunegap", RUN, 1)
    head, experiment, *rest = shlex.split(command.removeprefix("prunegap "))
    sets = [part for setting in QUICK for part in ("--set", setting)]
    return shlex.join([*shlex.split(RUN), head, experiment, *sets, *rest])


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make")])
def test_every_make_target_exists(command: str) -> None:
    assert run(f"make --dry-run {command.removeprefix('make ')}", ROOT).returncode == 0


def test_every_prunegap_command_runs_as_written(clone: Path) -> None:
    wanted = [c for c in commands() if c.startswith("prunegap") and not c.startswith("prunegap ui")]
    assert len(wanted) >= 6
    for command in wanted:
        done = run(quickly(command), clone)
        verdicts = {0, 1, 3} if command.startswith("prunegap gate") else {0}
        assert done.returncode in verdicts, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (clone / "runs/digits/steps/compare/comparison/comparison.html").exists()


def test_the_example_of_own_data_runs(clone: Path) -> None:
    [text] = blocks("yaml")
    example = yaml.safe_load(text)
    Experiment.model_validate(example)
    (clone / "mine.yaml").write_text(text)
    own = ["acquire_dense.model=small_cnn", "acquire_dense.weights=''", "sparsities=[0.5]"]
    sets = " ".join(f"--set {shlex.quote(setting)}" for setting in (*QUICK, *own))
    done = run(f"{RUN} run mine.yaml --no-tracking {sets}", clone)
    assert done.returncode == 0, done.stderr
    assert "dark x f" in done.stdout


def test_the_example_of_a_new_method_is_a_working_formulation(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(formulation, "_METHODS", {})
    [text] = blocks("python")
    exec(compile(text, "README.md", "exec"), {})
    first_pair = formulation._METHODS["first_pair"].formulation(formulation.FormulationSettings(tolerance=0.01))
    sparse, dense = torch.tensor([0.5, 0.9, 0.9]), torch.tensor([0.9, 0.9, 0.9])
    violation = first_pair.violation(formulation.Measured(sparse, sparse.mean(), dense, dense.mean()))
    torch.testing.assert_close(violation, torch.tensor([0.39]))
    assert first_pair.names(["a", "b", "c"]) == ["a over b"]


def test_every_experiment_in_the_table_is_there_and_valid() -> None:
    named = set(re.findall(r"`(\w+)`", re.findall(r"\| experiment \|.*?\n\n", README, flags=re.DOTALL)[0]))
    files = {path.stem: path for path in (ROOT / "experiments").glob("*.yaml")}
    assert set(files) == named
    for name, path in files.items():
        assert Experiment.model_validate(yaml.safe_load(path.read_text())).name == name


def test_every_method_and_source_named_is_known_and_none_is_left_out() -> None:
    from prunegap.sources.registry import source_names
    from prunegap.training.methods import method_names

    table = re.findall(r"\| method \| what it does.*?\n\n", README, flags=re.DOTALL)[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(method_names())
    assert set(re.findall(r"`(\w+)`", re.findall(r"Sources: (.*?)\n", README)[0])) == set(source_names())
