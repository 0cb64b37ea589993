"""A whole run over the methods to compare with. Truth: the names in the comparison, masks on disk, and the run's own
second time.
"""

from itertools import combinations
from pathlib import Path

import torch
from pipeline.program import Program
from pipeline.workspaces import rows_of, write_experiment

from prunegap.artifacts.trained_models import FinetunedModel

METHODS = ["nft", "reweighted", "balanced_sampling", "group_dro", "bias_correction", "last_layer"]


def test_all_of_them_run_from_one_pruned_model_to_one_comparison(program: Program, tmp_path: Path) -> None:
    experiment = write_experiment(
        tmp_path,
        methods=METHODS,
        acquire_dense={"batch_size": 64},
        prune={"batch_size": 64, "learning_rate": 0.05},
        finetune={"dual_step_size": 0.1},
    )
    command = ("run", experiment, "--workspace", tmp_path / "run", "--no-tracking")
    ended = program(*command)
    assert ended.code == 0, ended.err
    rows = rows_of(tmp_path / "run/steps/compare/comparison/comparison.csv")
    assert [row["method"] for row in rows] == METHODS
    assert all(float(row["test_accuracy"]) > 50 for row in rows)

    models = [
        FinetunedModel.load(tmp_path / f"run/steps/finetune-sparsity80-seed0-{method}/finetuned_model").network
        for method in METHODS
    ]
    for one, other in combinations(models, 2):
        assert any(not torch.equal(one.state[name], other.state[name]) for name in one.state)
    for model in models:
        assert all(torch.equal(model.masks[name], mask) for name, mask in models[0].masks.items())
        assert all((model.state[name][~mask] == 0).all() for name, mask in model.masks.items())

    again = program(*command)
    assert again.code == 0
    assert again.steps("done") == []
