"""Truth: the excess gaps of a frozen model, known example by example, and means worked out by hand."""

from typing import Literal

import pytest
import torch
from core.dual_setup import dual_state
from torch import Tensor

from prunegap.constraints.dual import DualState

SIZES = [60, 20, 10]
CORRECT = [51, 13, 4]
DENSE = [0.9, 0.8, 0.7]
GROUPS = torch.repeat_interleave(torch.arange(3), torch.tensor(SIZES))
IS_CORRECT = torch.cat([torch.arange(size) < right for size, right in zip(SIZES, CORRECT, strict=True)])
ACCURACY = [right / size for size, right in zip(SIZES, CORRECT, strict=True)]
OVERALL_GAP = sum(n * d for n, d in zip(SIZES, DENSE, strict=True)) / 90 - sum(CORRECT) / 90
TRUE_EXCESS = torch.tensor([d - a - OVERALL_GAP for d, a in zip(DENSE, ACCURACY, strict=True)], dtype=torch.float64)
BIAS = sum(ACCURACY) / 3 - sum(CORRECT) / 90


def frozen_run(capacity: int, overall: Literal["share", "balanced"], seed: int) -> Tensor:
    """Return the estimated excess gaps after seven epochs over the data, batches of 9, the model unchanged."""
    dual = dual_state("ceag", SIZES, DENSE, capacity=capacity, overall=overall, tolerance=0.0, step_size=1e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(7):
        for index in torch.randperm(90, generator=generator).split(9):
            dual.step(torch.ones(9, dtype=torch.float64), IS_CORRECT[index], GROUPS[index])
    return dual.violations


def error(capacity: int) -> float:
    deviations = [(frozen_run(capacity, "share", seed) - TRUE_EXCESS).abs().mean() for seed in range(8)]
    return float(torch.stack(deviations).mean())


def test_the_error_of_the_share_estimate_vanishes_as_the_buffers_grow():
    """At capacity 60, a multiple of every group's size, the buffers hold whole passes over every group."""
    errors = [error(capacity) for capacity in (3, 12, 60)]
    assert errors[0] > 1.5 * errors[1] > 0.01
    assert errors[2] < 1e-12


def test_the_balanced_estimate_keeps_the_difference_of_plain_and_share_weighted_mean():
    """(.85 + .65 + .4) / 3 - 68 / 90 = -.1222: every excess gap is put 12.2 points too low."""
    assert pytest.approx(-0.122222, abs=1e-6) == BIAS
    found = frozen_run(60, "balanced", seed=0) - TRUE_EXCESS
    torch.testing.assert_close(found, torch.full_like(found, BIAS), atol=1e-12, rtol=0)


def observe(dual: DualState, groups: list[int], correct: list[int]) -> Tensor:
    dual.step(torch.ones(len(groups), dtype=torch.float64), torch.tensor(correct).bool(), torch.tensor(groups))
    return dual.violations


def test_while_some_buffers_are_not_full_share_compares_the_same_groups_of_both_models():
    """Shares .6, .3, .1, buffers of groups 0 and 2 full: dense (6 * .9 + 1 * .5) / 7, sparse (6 * .5 + 1 * 1) / 7.

    Overall gap 5.9 / 7 - 4 / 7 = 1.9 / 7; gaps .9 - .5 and .5 - 1. Balanced compares the mean of .5 and 1 with
    the dense .54 + .24 + .05 = .83 of all groups.
    """
    examples = [0, 0, 2, 2, 1], [1, 0, 1, 1, 1]
    share = observe(dual_state("ceag", [60, 30, 10], [0.9, 0.8, 0.5], tolerance=0.0), *examples)
    assert share.tolist() == pytest.approx([0.4 - 1.9 / 7, float("nan"), -0.5 - 1.9 / 7], nan_ok=True)
    balanced = dual_state("ceag", [60, 30, 10], [0.9, 0.8, 0.5], tolerance=0.0, overall="balanced")
    found = observe(balanced, *examples)
    assert found.tolist() == pytest.approx([0.4 - 0.08, float("nan"), -0.5 - 0.08], nan_ok=True)


def test_with_one_full_buffer_its_group_has_no_excess():
    dual = dual_state("ceag", [60, 30, 10], [0.9, 0.8, 0.5], tolerance=0.0)
    assert observe(dual, [1, 1, 0], [0, 1, 1])[1] == 0


def test_while_no_buffer_is_full_nothing_is_observed_and_no_multiplier_moves():
    for overall in ("share", "balanced"):
        dual = dual_state("ceag", [60, 30], [0.9, 0.8], overall=overall)
        assert observe(dual, [0, 1], [0, 0]).isnan().all()
        assert dual.multipliers.tolist() == [0, 0]


def test_a_group_the_training_set_lacks_leaves_the_others_as_they_are():
    dual = dual_state("ceag", [60, 0, 30], [0.9, float("nan"), 0.6], tolerance=0.0)
    found = observe(dual, [0, 0, 2, 2], [1, 0, 1, 0])
    assert found.tolist() == pytest.approx([0.4 - 0.3, float("nan"), 0.1 - 0.3], nan_ok=True)
