"""PI control of the multipliers. Truth: cooper's nuPI on the same violations, and problems that have an answer."""

import math

import cooper
import pytest
import torch
from core.dual_setup import dual_state

from prunegap.constraints.controllers import GradientAscent, ProportionalIntegral, controller
from prunegap.errors import UserError
from prunegap.stages.finetune import FinetuneParams

NAN = float("nan")
STEP, KP = 0.3, 2.5


def violations(steps: int, count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(steps, count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("smoothing", [0.0, 0.7])
@pytest.mark.parametrize("least", [0.0, -math.inf])
def test_it_moves_as_coopers_nupi_does(smoothing, least):
    theirs = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    gain = torch.tensor([KP], dtype=torch.float64)
    zeros = cooper.optim.nuPIInitType.ZEROS
    nupi = cooper.optim.nuPI([theirs], lr=STEP, Kp=gain, Ki=gain / KP, ema_nu=smoothing, init_type=zeros, maximize=True)
    ours, moved = torch.zeros(4, dtype=torch.float64), ProportionalIntegral(STEP, proportional=KP, smoothing=smoothing)
    for row in violations(30):
        theirs.grad = row.clone()
        nupi.step()
        theirs.data.clamp_(min=least)
        ours = moved.ascend(ours, row).clamp(min=least)
        torch.testing.assert_close(ours, theirs.data, rtol=0, atol=1e-12)


def test_without_a_proportional_part_it_is_gradient_ascent():
    one, other = ProportionalIntegral(STEP, proportional=0.0), GradientAscent(STEP)
    multipliers = torch.zeros(4, dtype=torch.float64)
    for row in violations(5):
        assert torch.equal(one.ascend(multipliers, row), other.ascend(multipliers, row))


def test_a_constraint_that_is_not_observed_keeps_its_multiplier_and_its_last_violation():
    pi = ProportionalIntegral(1.0, proportional=2.0)
    multipliers = torch.zeros(2)
    for seen, wanted in [([1.0, NAN], [3.0, 0.0]), ([NAN, 1.0], [3.0, 3.0]), ([2.0, NAN], [7.0, 3.0])]:
        multipliers = pi.ascend(multipliers, torch.tensor(seen))
        assert multipliers.tolist() == wanted


def distance_left(moved) -> float:
    """Of x from 1, after 300 steps on the Lagrangian of nothing but the constraint x = 1, which ascent circles."""
    x, multiplier = torch.zeros(1), torch.zeros(1)
    for _ in range(300):
        multiplier = moved.ascend(multiplier, 1 - x)
        x = x + 0.1 * multiplier
    return float((1 - x).abs() + multiplier.abs())


def test_it_settles_where_gradient_ascent_goes_round():
    assert distance_left(GradientAscent(0.1)) > 0.5
    assert distance_left(ProportionalIntegral(0.1, proportional=10.0)) < 1e-5


@pytest.mark.parametrize("name", ["gradient_ascent", "pi"])
def test_a_multiplier_at_its_bound_comes_back_at_once(name):
    moved, multipliers = controller(name, {"bound": "0.5"})(1.0), torch.zeros(2)
    for _ in range(100):
        multipliers = moved.ascend(multipliers, torch.tensor([1.0, -1.0]))
    assert multipliers.tolist() == [0.5, -0.5]
    assert moved.ascend(multipliers, torch.tensor([-0.1, 0.1]))[0] < 0.41


def test_a_resumed_run_goes_on_to_the_same_bits():
    def make(step_size: float) -> ProportionalIntegral:
        return ProportionalIntegral(step_size, smoothing=0.5)

    one = dual_state("ceag", [30, 10], [0.9, 0.7], capacity=5, controller=make)
    other = dual_state("ceag", [30, 10], [0.9, 0.7], capacity=5, controller=make)
    groups = torch.arange(2).repeat_interleave(5)
    generator = torch.Generator().manual_seed(0)
    for step in range(6):
        correct = torch.rand(10, generator=generator) < 0.5
        if step == 3:
            other.load_state_dict(one.state_dict())
        for dual in (one, other)[: 1 + (step >= 3)]:
            dual.step(torch.ones(10, dtype=torch.float64), correct, groups)
    assert one.multipliers.any()
    assert torch.equal(one.multipliers, other.multipliers)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("pi", ("smoothing=1",), r"smoothing must be in \[0, 1\), got 1"),
        ("pi", ("proportional=-1",), "proportional must be >= 0, got -1"),
        ("pi", ("bound=nan",), "bound must be >= 0, got nan"),
        ("pi", ("proportional=much",), "proportional must be a number, got 'much'"),
        ("pi", ("gain=1",), "controller 'pi' has no option 'gain'; valid: bound, proportional, smoothing"),
        ("gradient_ascent", ("smoothing=0",), "controller 'gradient_ascent' has no option 'smoothing'; valid: bound"),
    ],
)
def test_an_option_that_is_none_is_refused_before_anything_is_trained(name, options, said):
    with pytest.raises(ValueError, match=f"controller_options: {said}"):
        FinetuneParams(controller=name, controller_options=options)


def test_an_option_of_another_packages_controller_that_has_none_is_refused():
    with pytest.raises(UserError, match="controller 'pi' has no option 'x'"):
        controller("pi", {"x": "1"})
