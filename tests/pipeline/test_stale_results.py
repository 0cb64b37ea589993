"""Truth: what was edited by hand between two runs, and who reads it: a table, images, weights, a network, a method."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pipeline.workspaces import experiment, weights

NETWORK = """
from torch import nn

def build(num_classes, in_channels, image_size):
    return nn.Sequential(
        nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.{activation}(), nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes),
    )
"""
FORMULATION = """
from prunegap.constraints.formulation import method
from prunegap.constraints.measures import ACCURACY

@method("own_rule", buffers=True)
class OwnRule:
    measures = ACCURACY

    def __init__(self, settings):
        self._tolerance = settings.tolerance

    def names(self, group_names):
        return group_names

    def violation(self, measured):
        return measured.dense - measured.sparse - {factor} * self._tolerance

    def group_coefficients(self, multipliers, batch):
        return multipliers

    def project(self, multipliers):
        return multipliers.clamp(min=0)
"""
STEPS = {
    "prepare_data": "prepare_data",
    "acquire_dense": "acquire_dense",
    "measure_baseline": "measure_baseline",
    "prune": "prune-sparsity50-seed0",
    "nft": "finetune-sparsity50-seed0-nft",
    "own_rule": "finetune-sparsity50-seed0-own_rule",
    "evaluate nft": "evaluate-sparsity50-seed0-nft",
    "evaluate own_rule": "evaluate-sparsity50-seed0-own_rule",
    "gate": "gate",
    "compare": "compare",
}


class Place:
    """A folder of a person's own: images and their table, weights, a network, a package with a method."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "images").mkdir()
        rng = np.random.default_rng(0)
        for number in range(40):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"images/{number:02d}.png")
        self.write_table(flipped=False)
        self.write_network("ReLU")
        self.write_formulation(1)
        package = folder / "own_package-1.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
        (package / "entry_points.txt").write_text("[prunegap.formulations]\nown_rule = own_rule\n")
        self.write_weights(0)
        settings = experiment(
            sparsities=[0.5], methods=["nft", "own_rule"],
            prepare_data={"source": "table", "location": "images/table.csv", "label_column": "animal",
                          "group_by": ["sex"], "validation_share": 0.0},
            acquire_dense={"model": "own_network:build", "weights": "dense.pt", "epochs": 0},
            prune={"gmp_epochs": 0, "finetune_epochs": 1},
        )  # fmt: skip
        (folder / "experiment.yaml").write_text(yaml.safe_dump(settings))

    def write_table(self, *, flipped: bool) -> None:
        animals = ["cat", "dog"][:: -1 if flipped else 1]
        lines = ["image,animal,sex", *(f"{n:02d}.png,{animals[n % 2]},{'fm'[n % 3 > 0]}" for n in range(40))]
        (self.folder / "images/table.csv").write_text("\n".join(lines))

    def write_network(self, activation: str) -> None:
        (self.folder / "own_network.py").write_text(NETWORK.format(activation=activation))

    def write_formulation(self, factor: float) -> None:
        (self.folder / "own_rule.py").write_text(FORMULATION.format(factor=factor))

    def write_weights(self, seed: int) -> None:
        scope: dict = {}
        exec(NETWORK.format(activation="ReLU"), scope)
        torch.manual_seed(seed)
        torch.save(scope["build"](2, 3, 8).state_dict(), self.folder / "dense.pt")

    def prunegap(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(self.folder), *sys.path])}
        done = subprocess.run(
            [sys.executable, "-m", "prunegap", *words],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    def run(self, *words: str) -> dict[str, str]:
        """Run the experiment; return what was said of each step that was done: why it was done again."""
        said = self.prunegap("run", "experiment.yaml", "--workspace", "run", "--no-tracking", *words).stderr
        lines = [line.split(maxsplit=2)[1:] for line in said.splitlines() if line.startswith("✓")]
        names = {step: name for name, step in STEPS.items()}
        return {names[step]: rest.rpartition(" ")[0].rpartition(" ")[0] for step, rest in lines}


@pytest.fixture
def place(finished_place: Path, tmp_path: Path) -> Place:
    """A copy of the finished place, times of writing kept."""
    place = Place.__new__(Place)
    place.folder = tmp_path / "place"
    subprocess.run(["cp", "-a", str(finished_place), str(place.folder)], check=True)
    return place


@pytest.fixture(scope="module")
def finished_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place(tmp_path_factory.mktemp("place"))
    assert set(place.run()) == set(STEPS)
    return place.folder


def test_nothing_is_done_again_when_nothing_changed(place: Place):
    before = weights(place.folder / "run")
    assert place.run() == {}
    assert weights(place.folder / "run") == before
    assert place.prunegap("show", "run").stderr == ""


def test_every_label_flipped(place: Place):
    place.write_table(flipped=True)
    assert "older than what it was made from: prepare_data (table.csv changed)" in place.prunegap("show", "run").stderr
    said = place.run()
    assert said["prepare_data"] == "done again, table.csv changed"
    assert said["prune"].startswith("done again, dataset changed (table.csv)")
    assert set(said) == set(STEPS)
    assert place.run() == {}


def test_an_image_replaced(place: Place):
    Image.new("RGB", (8, 8)).save(place.folder / "images/07.png")
    said = place.run()
    assert said["prepare_data"] == "done again, images of table.csv changed"
    assert set(said) == set(STEPS)


def test_weights_replaced(place: Place):
    place.write_weights(1)
    said = place.run()
    assert said["acquire_dense"] == "done again, weights dense.pt changed"
    assert said["measure_baseline"] == "done again, dense_model changed (weights dense.pt)"
    assert set(said) == set(STEPS) - {"prepare_data"}
    assert place.run() == {}


def test_an_own_network_edited(place: Place):
    place.write_network("Tanh")
    said = place.run()
    assert said["acquire_dense"] == "done again, the code of model own_network:build changed"
    assert set(said) == set(STEPS) - {"prepare_data"}, "the weights are the same, what is made of them is not"
    assert place.run() == {}


def test_an_own_formulation_edited_redoes_its_method_alone(place: Place):
    place.write_formulation(2)
    said = place.run()
    assert said["own_rule"] == "done again, the code of method own_rule changed"
    assert set(said) == {"own_rule", "evaluate own_rule", "gate", "compare"}
    assert place.run() == {}


def test_what_only_reads_differently_changes_nothing(place: Place):
    network = place.folder / "own_network.py"
    network.write_text('"""My network."""\n\n# a comment\n' + network.read_text())
    assert place.run() == {}


def test_results_of_other_code_are_made_again_or_kept_on_purpose(place: Place):
    for manifest in (place.folder / "run/steps").glob("prune*/*/manifest.json"):
        stored = json.loads(manifest.read_text())
        stored["identity"]["code"]["prunegap's code"] = "older"
        manifest.write_text(json.dumps(stored))
    assert place.run("--keep") == {}
    assert place.run()["prune"] == "done again, prunegap's code changed"


def test_data_that_are_gone_leave_the_results_and_are_told(place: Place):
    (place.folder / "images").rename(place.folder / "elsewhere")
    done = place.prunegap("run", "experiment.yaml", "--workspace", "run", "--no-tracking")
    assert "✓" not in done.stderr
    assert "prepare_data: taken as unchanged, for it cannot be looked at: table.csv" in done.stderr


def test_show_tells_of_results_made_under_different_threads(place: Place):
    manifest = next((place.folder / "run/steps").glob("finetune*-nft/finetuned_model/manifest.json"))
    stored = json.loads(manifest.read_text())
    stored["made_on"]["threads"] = 7
    manifest.write_text(json.dumps(stored))
    assert "made under different threads: 1, 7" in place.prunegap("show", "run").stderr
    assert place.run() == {}
