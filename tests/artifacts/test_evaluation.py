"""The record of an evaluation. Truth: an example worked out by hand, and the names that trackers have always shown.

Three groups of two, two and no examples; dense right on all four, sparse wrong on the first: gaps 1/2 and 0, overall
gap 1/4, so excess gaps 1/4 and -1/4.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prunegap.artifacts.evaluation import (
    Evaluation,
    SplitResult,
    load_evaluations,
    save_evaluations,
    split_result,
)
from prunegap.artifacts.evaluation_metrics import evaluation_metrics
from prunegap.estimate import Estimate
from prunegap.gaps import Outcomes, compare_outcomes, group_statistics, overall_statistics, quantity_of

OVERALL = (
    "accuracy", "loss", "overall_gap", "max_psi", "psi_pw", "churn", "excessive_loss_spread", "group_accuracy_spread",
    "feasible", "max_psi_by_chance", "psi_pw_by_chance",
)  # fmt: skip


def result(tolerance: float) -> SplitResult:
    right, after = torch.tensor([True] * 4), torch.tensor([False, True, True, True])
    dense, sparse = (Outcomes(one.long(), torch.zeros(4), one) for one in (right, after))
    return split_result(compare_outcomes(dense, sparse, torch.tensor([0, 0, 1, 1]), 3), ["a", "b", "none"], tolerance)


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation(
        dataset="faces", target="race", group="age", model="small_cnn", seed=0, sparsity=0.9, achieved_sparsity=0.91,
        method="ceag", label="quick", summary="What it does.", tolerance=0.25, seconds=1.0,
        overall_quantities=tuple(map(quantity_of, overall_statistics())),
        group_quantities=tuple(map(quantity_of, group_statistics())),
        splits={"test": result(0.25)},
    )  # fmt: skip


def test_a_split_is_feasible_up_to_the_tolerance_and_no_further() -> None:
    assert result(0.25).feasible is True
    assert result(0.2499).feasible is False


def test_a_tracker_shows_the_same_names_as_ever_and_nothing_for_a_group_without_examples(
    evaluation: Evaluation,
) -> None:
    metrics = evaluation_metrics(evaluation)
    per_group = {f"group_{key}_test/{name}" for key in ("accuracy", "excess_gap", "churn") for name in ("a", "b")}
    assert set(metrics) == {f"test/{name}" for name in OVERALL} | per_group
    assert (metrics["test/max_psi"], metrics["test/feasible"]) == (0.25, 1.0)
    assert (metrics["group_accuracy_test/a"], metrics["group_excess_gap_test/b"]) == (0.5, -0.25)


def test_what_is_written_is_read_again_with_limits_and_without_estimates(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    split = evaluation.splits["test"]
    limited = replace(split, overall={**split.overall, "max_psi": Estimate(0.25, -0.0, 0.5, "95 %")})
    written = replace(evaluation, splits={"test": limited})
    save_evaluations(tmp_path, [written])
    assert load_evaluations(tmp_path) == [written]
    raw = json.loads((tmp_path / "evaluations.json").read_text())[0]["splits"]["test"]
    assert raw["groups"][2]["estimates"]["accuracy"] == {"value": None}
    assert raw["overall"]["accuracy"] == {"value": 0.75}
    assert raw["overall"]["max_psi"] == {"value": 0.25, "low": 0.0, "high": 0.5, "limits": "95 %"}
