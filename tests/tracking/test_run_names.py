"""Names of runs and models: short, a person's words, and others for other settings."""

from itertools import product

import pytest
from mlflow.utils.validation import _validate_logged_model_name

from prunegap.tracking.names import model_name, run_name, step_tags

STAGES = ("acquire_dense", "measure_baseline", "prune", "finetune", "evaluate")
CEAG = {"seed": "0", "sparsity": "0.995", "method": "ceag"}


@pytest.mark.parametrize(
    ("stage", "step", "settings", "expected"),
    [
        ("prepare_data", "prepare_data", {}, "data"),
        ("acquire_dense", "acquire_dense", {"seed": "3"}, "dense seed 3"),
        ("measure_baseline", "measure_baseline", {"seed": "0"}, "baseline seed 0"),
        ("prune", "prune-x", {"seed": "0", "sparsity": "0.9"}, "pruned 90 % seed 0"),
        ("finetune", "finetune-x", CEAG, "ceag 99.5 % seed 0"),
        ("finetune", "finetune-x", CEAG | {"label": "ceag_k80"}, "ceag_k80 99.5 % seed 0"),
        ("evaluate", "evaluate-x", CEAG, "evaluate ceag 99.5 % seed 0"),
        ("compare", "compare", {}, "comparison"),
        ("finetune", "finetune", {}, "finetune"),
        ("prune", "mine", {}, "mine"),
        ("added", "added-seed0", {"seed": "0"}, "added-seed0"),
    ],
)
def test_a_run_is_called_by_what_a_person_knows_it_by(stage, step, settings, expected):
    assert run_name(step, step_tags(stage, settings)) == expected


def test_a_step_without_tags_keeps_its_name():
    assert run_name("mine", {}) == "mine"


def test_other_settings_are_another_name():
    settings = [
        {"seed": seed, "sparsity": sparsity, "method": method, "label": label}
        for seed, sparsity, method, label in product(("0", "1"), ("0.9", "0.995"), ("nft", "ceag"), ("", "mine"))
        if not (label and method == "nft")
    ]
    names = {run_name("x", step_tags(stage, one)) for stage in ("finetune", "evaluate") for one in settings}
    assert len(names) == 2 * len(settings)


@pytest.mark.parametrize("stage", STAGES)
def test_mlflow_takes_the_name_of_a_model_and_it_still_tells_the_sparsity(stage):
    name = model_name(run_name(stage, step_tags(stage, CEAG | {"label": "a/b:c.\"d'"})))
    _validate_logged_model_name(name)
    assert "99,5 percent" in name
