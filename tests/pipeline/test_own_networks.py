"""Truth: networks whose layers are known by sight (own_networks.py), through the stages as their author runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline.program import Ended, Program
from safetensors.torch import load_file

Steps = Callable[..., Ended]


@pytest.fixture
def prune(program: Program, workspace: Path, tmp_path: Path) -> Steps:
    """Make a dense model of a network and prune it to 90 % in one shot; the words are flags of prune."""
    dataset = workspace / "steps/prepare_data/dataset"

    def run(network: str, *words: object) -> Ended:
        dense, baseline = (tmp_path / f"{network}_{kind}" for kind in ("dense", "baseline"))
        read = ("--dataset", dataset, "--dense-model", dense)
        model = ("--model", f"pipeline.own_networks:{network}", "--epochs", 0, "--history", tmp_path / "first")
        acquired = program("acquire_dense", *read, *model)
        assert acquired.code == 0, acquired.err
        assert program("measure_baseline", *read, "--baseline", baseline).code == 0
        made = (*read, "--baseline", baseline, "--sparse-model", tmp_path / "sparse", "--history", tmp_path / "second")
        pruned = program("prune", *made, "--sparsity", 0.9, "--gmp-epochs", 0, *words)
        return Ended(pruned.code, acquired.err, pruned.err)

    return run


def test_a_network_of_two_layers_is_refused_and_not_called_sparse(prune: Steps, tmp_path: Path) -> None:
    ended = prune("two_layers")
    assert ended.code == 1
    assert ended.err.startswith("error: model Sequential has nothing to prune to a sparsity of 0.9: ")
    assert not (tmp_path / "sparse").exists()
    assert prune("two_layers", "--sparsity", 0).code == 0


def test_a_weight_that_cannot_be_pruned_is_told_with_the_dense_model_and_may_be_named(
    prune: Steps, tmp_path: Path
) -> None:
    ended = prune("head_first")
    assert ended.code == 1
    assert "error: layer 'wide' cannot be pruned: its weight is parametrised" in ended.err
    assert "warning: prune will refuse this model unless its keep_dense helps: layer 'wide' cannot" in ended.out
    ended = prune("head_first", "--keep-dense", "wide")
    assert ended.code == 0, ended.err
    stored = json.loads((tmp_path / "sparse/model.json").read_text())
    assert stored["metadata"]["layers"] == {
        "input": ["eye"], "classifier": ["head"], "kept": ["wide"], "idle": [], "other": [], "prunable": ["narrow"],
    }  # fmt: skip
    assert stored["metadata"]["achieved_sparsity"] == pytest.approx(231 / 256)
    weights = load_file(tmp_path / "sparse/weights.safetensors")
    assert weights["narrow.weight"].shape == (25,), "only what is kept is stored"
    assert weights["head.weight"].dim() == weights["eye.weight"].dim() == 2
