"""Truth: dual steps computed by hand from Algorithm 2 of "Balancing Act", the arithmetic beside each number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from core.dual_setup import dual_state

from prunegap.constraints.dual import DualState, overall_constraint


@dataclass(frozen=True)
class Step:
    groups: Sequence[int]
    loss: Sequence[float]
    correct: Sequence[int]
    violations: Sequence[float]
    multipliers: Sequence[float]
    weights: Sequence[float]


def follow(dual: DualState, steps: list[Step]) -> None:
    for step in steps:
        weights = dual.step(
            torch.tensor(step.loss, dtype=torch.float64),
            torch.tensor(step.correct, dtype=torch.bool),
            torch.tensor(step.groups),
        )
        assert dual.violations.tolist() == pytest.approx(step.violations, abs=1e-12, nan_ok=True)
        assert dual.multipliers.tolist() == pytest.approx(step.multipliers, abs=1e-12)
        assert weights.tolist() == pytest.approx(step.weights, abs=1e-12)


NOT_SEEN = math.nan


def test_ceag_with_buffers():
    """Dense accuracies .9, .7 with shares 3/4, 1/4: overall .85. Capacity 2, dual step size .5, tolerance .01."""
    follow(
        dual_state("ceag", [30, 10], [0.9, 0.7]),
        [
            # buffers (0, 1) and (0): group 1 is not full. Over group 0 alone dense is .9, sparse .5:
            # (.9 - .5) - (.9 - .5) - .01
            Step([0, 0, 1, 0], [0.2, 1.0, 2.0, 0.4], [1, 0, 0, 1], [-0.01, NOT_SEEN], [0, 0], [0.25] * 4),
            # buffers (1, 1) and (1, 0): overall .75 * 1 + .25 * .5 = .875, overall gap -.025
            # group 0: -.1 + .025 - .01; group 1: .2 + .025 - .01 = .215, half of it is its multiplier;
            # weights (1 - .1075) / 3 = .2975, and .1075 / 2 more in group 1
            Step([1, 1, 0], [0.5, 1.5, 0.3], [1, 0, 1], [-0.085, 0.215], [0, 0.1075], [0.35125, 0.35125, 0.2975]),
            # buffer of group 0 still (1, 1): group 1 is absent, its multiplier ascends all the same, and has
            # no part in the weights
            Step([0, 0], [0.1, 0.1], [1, 1], [-0.085, 0.215], [0, 0.215], [0.5, 0.5]),
            # buffers (1, 0) and (1, 1): overall .75 * .5 + .25 = .625, overall gap .225
            # group 0: .4 - .225 - .01; group 1: -.3 - .225 - .01; multipliers .0825 and max(0, .215 - .2675)
            # weights (1 - .0825) / 3 + .0825 for group 0, (1 - .0825) / 3
            Step(
                [0, 1, 1], [1, 1, 1], [0, 1, 1],
                [0.165, -0.535], [0.0825, 0], [0.3058333333333333 + 0.0825, 0.3058333333333333, 0.3058333333333333],
            ),
        ],
    )  # fmt: skip


def test_ceag_with_buffers_and_the_balanced_overall_estimate():
    """As above, but overall is the plain mean of the full buffers against dense accuracy over all groups, .85."""
    follow(
        dual_state("ceag", [30, 10], [0.9, 0.7], overall="balanced"),
        [
            # only group 0 is full: overall .5, (.9 - .5) - (.85 - .5) - .01
            Step([0, 0, 1, 0], [0.2, 1.0, 2.0, 0.4], [1, 0, 0, 1], [0.04, NOT_SEEN], [0.02, 0], [0.245 + 0.02 / 3] * 2
                 + [0.245, 0.245 + 0.02 / 3]),
            # overall (1 + .5) / 2 = .75: -.1 - .1 - .01 and .2 - .1 - .01
            Step([1, 1, 0], [0.5, 1.5, 0.3], [1, 0, 1], [-0.21, 0.09], [0, 0.045], [0.955 / 3 + 0.0225] * 2
                 + [0.955 / 3]),
        ],
    )  # fmt: skip


def test_ceag_without_buffers():
    """Dense .9, .7, .5 with shares .5, .25, .25: overall .75. The batch alone is measured, against its own mean."""
    follow(
        dual_state("ceag_no_rb", [20, 10, 10], [0.9, 0.7, 0.5], step_size=2.0),
        [
            # accuracies .5 and 0, overall 1/3, overall gap .75 - 1/3 = 5/12: .4 - 5/12 - .01, .7 - 5/12 - .01
            # multiplier 2 * .2733.. of group 1; weights (1 - m) / 3, and m more for group 1's only example
            Step([0, 1, 0], [1, 2, 3], [1, 0, 0], [0.4 - 5 / 12 - 0.01, 0.7 - 5 / 12 - 0.01, NOT_SEEN],
                 [0, 0.5466666666666666, 0], [0.4533333333333334 / 3, 0.4533333333333334 / 3 + 0.5466666666666666,
                                              0.4533333333333334 / 3]),
            # groups 1, 2: accuracies 1 and 0, overall .5, overall gap .25: -.3 - .25 - .01, .5 - .25 - .01
            # multipliers max(0, .5467 - 1.12) and .48
            Step([1, 2], [1, 2], [1, 0], [NOT_SEEN, -0.56, 0.24], [0, 0, 0.48], [0.26, 0.74]),
        ],
    )  # fmt: skip


def test_multipliers_above_one_give_negative_weights():
    """Accuracies 0 and 1, overall 2/3, overall gap .8 - 2/3: violation of group 0 is .8 - .8 + 2/3, times 6 is 4."""
    dual = dual_state("ceag_no_rb", [1, 1], [0.8, 0.8], step_size=6.0, tolerance=0.0)
    follow(dual, [Step([0, 1, 1], [1, 1, 1], [0, 1, 1], [2 / 3, -1 / 3], [4, 0], [-1 + 4, -1, -1])])


def test_el_signed_without_buffers():
    """Losses 1, 2 | 6: means 1.5 and 6, overall 3. Both multipliers are half the violation, of either sign."""
    follow(
        dual_state("el", [2, 1]),
        [
            # sum of multipliers .75: weights .25 / 3 - .75 / 2 and .25 / 3 + 1.5
            Step([0, 0, 1], [1, 2, 6], [0, 0, 0], [-1.5, 3], [-0.75, 1.5], [0.25 / 3 - 0.375] * 2 + [0.25 / 3 + 1.5]),
            # losses 4 | 1, 1: overall 2
            Step([0, 1, 1], [4, 1, 1], [0, 0, 0], [2, -1], [0.25, 1], [-0.25 / 3 + 0.25] + [-0.25 / 3 + 0.5] * 2),
        ],
    )


def test_el_absolute_without_buffers():
    """The same losses: multipliers only grow, and a group's weight carries the sign of its batch difference."""
    follow(
        dual_state("el", [2, 1], equality="absolute"),
        [
            # coefficients -.75 and 1.5
            Step([0, 0, 1], [1, 2, 6], [0, 0, 0], [1.5, 3], [0.75, 1.5], [0.25 / 3 - 0.375] * 2 + [0.25 / 3 + 1.5]),
            # coefficients 1.75 and -2: (1 + .25) / 3 + 1.75 and (1 + .25) / 3 - 2 / 2
            Step([0, 1, 1], [4, 1, 1], [0, 0, 0], [2, 1], [1.75, 2], [1.25 / 3 + 1.75] + [1.25 / 3 - 1] * 2),
        ],
    )


@pytest.mark.parametrize("equality", ["signed", "absolute"])
def test_el_with_buffers(equality):
    """Shares 3/4, 1/4; capacity 2. The buffers decide the multipliers, the batch decides the surrogate's sign."""
    sign = 1 if equality == "signed" else -1
    follow(
        dual_state("el_rb", [30, 10], equality=equality),
        [
            # buffers (1, 3) and (5): group 0 alone, 2 - 2
            Step([0, 1, 0], [1, 5, 3], [1, 1, 1], [0, NOT_SEEN], [0, 0], [1 / 3] * 3),
            # buffers (3, 9) and (5, 1): means 6 and 3, overall 5.25; batch means 9 and 1
            # coefficients signed .375 and -1.125; absolute .375 and 1.125, the batch saying + and -
            Step([0, 1], [9, 1], [1, 1], [0.75, -2.25 * sign], [0.375, -1.125 * sign], [0.875 + 0.375, 0.875 - 1.125]),
        ],
    )  # fmt: skip


def test_the_absolute_form_takes_the_sign_from_the_batch_not_from_the_buffers():
    """Buffers 6 and 2 put group 0 above the overall loss 4; in the batch it is below: 0 against 3, overall 2."""
    dual = dual_state("el_rb", [1, 1], capacity=3, equality="absolute", step_size=0.1)
    losses, groups = [9, 9, 2, 2], [0, 0, 1, 1]
    follow(dual, [Step(groups, losses, [0] * 4, [NOT_SEEN] * 2, [0, 0], [0.25] * 4)])
    # buffers (9, 9, 0) and (2, 2, 3): means 6 and 7/3, overall 25/6, differences 11/6 both ways
    m = 0.1 * 11 / 6
    follow(dual, [Step([0, 1], [0, 3], [0, 0], [11 / 6] * 2, [m, m], [0.5 - m, 0.5 + m])])


def test_the_state_taken_up_goes_on_to_the_same_numbers():
    first, second = dual_state("ceag", [30, 10], [0.9, 0.7]), dual_state("ceag", [30, 10], [0.9, 0.7])
    generator = torch.Generator().manual_seed(0)
    for step in range(6):
        loss = torch.rand(5, generator=generator, dtype=torch.float64)
        correct, groups = loss < 0.5, torch.randint(2, (5,), generator=generator)
        weights = first.step(loss, correct, groups)
        if step > 2:
            assert torch.equal(second.step(loss, correct, groups), weights)
            assert torch.equal(second.multipliers, first.multipliers)
        elif step == 2:
            second.load_state_dict(first.state_dict())
            torch.testing.assert_close(second.violations, first.violations, equal_nan=True)


def test_the_overall_constraint_is_the_largest_observed_one():
    assert overall_constraint(torch.tensor([-2.0, math.nan, -0.5])) == -0.5
    assert overall_constraint(torch.tensor([math.nan, math.nan])).isnan()
