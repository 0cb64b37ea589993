"""Controllers of the multipliers. Truth: dual ascent by hand, and momentum written out in two lines."""

import pytest
import torch
from core.dual_setup import dual_state
from core.outside_package import installed
from stages.their_package import POINTS, Momentum

from prunegap.constraints.controllers import GradientAscent, controller
from prunegap.constraints.dual import DualSettings, DualState
from prunegap.errors import UserError
from prunegap.stages.finetune import FinetuneParams

NAN = float("nan")


def moved(make, batches) -> DualState:
    """The dual state of ceag on two groups after some batches: examples of both that were right, of ten each."""
    dual = dual_state("ceag", [30, 10], [0.9, 0.7], step_size=0.5, capacity=10, controller=make)
    for right in batches:
        follow(dual, right)
    return dual


def follow(dual: DualState, right: tuple[int, int]) -> None:
    correct = torch.cat([torch.arange(10) < number for number in right])
    dual.step(torch.ones(20, dtype=torch.float64), correct, torch.arange(2).repeat_interleave(10))


def test_ours_moves_by_step_size_times_violation_and_not_where_nothing_is_observed():
    ours = controller("gradient_ascent")(0.5)
    assert isinstance(ours, GradientAscent)
    multipliers, violations = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, NAN, -1.0])
    assert ours.ascend(multipliers, violations).tolist() == [1.25, 2.0, 2.5]


def test_one_of_another_package_moves_the_multipliers_and_its_state_is_kept(tmp_path):
    with installed(tmp_path, "theirs", "", POINTS):
        params = FinetuneParams(controller="momentum", dual_step_size=0.5)
        settings = params.dual_settings()
        assert (type(settings.controller(0.5)), settings.step_size) == (Momentum, 0.5)
        assert list(params.code()) == ["the code of method ceag", "the code of controller momentum"]
        make = controller("momentum")
    dual = moved(make, [(9, 5)])
    first = dual.violations.clone()
    assert dual.multipliers.tolist() == (0.5 * first).clamp(min=0).tolist()
    resumed = dual_state("ceag", [30, 10], [0.9, 0.7], step_size=0.5, capacity=10, controller=make)
    resumed.load_state_dict(dual.state_dict())
    for one in (dual, resumed):
        before = one.multipliers.clone()
        follow(one, (9, 6))
        assert torch.equal(one.multipliers, (before + 0.5 * (0.5 * first + one.violations)).clamp(min=0))
    assert torch.equal(dual.multipliers, resumed.multipliers)


def test_without_the_package_it_is_not_known():
    with pytest.raises(ValueError, match=r"controller\n.*controller 'momentum' is not known; valid: gradient_ascent"):
        FinetuneParams(controller="momentum")
    with pytest.raises(UserError, match="controller 'gradient_acsent' is not known; did you mean 'gradient_ascent'"):
        controller("gradient_acsent")


def test_one_that_keeps_no_state_is_refused_by_name(tmp_path):
    points = {"controllers": {"forgets": "forgetful:Forgets"}}
    code = "class Forgets:\n    def __init__(self, step_size): ...\n    def ascend(self, m, v): return m\n"
    refused = pytest.raises(UserError, match=r"controller 'forgets' must make an object with .*, it made a Forgets")
    with installed(tmp_path, "forgetful", code, points), refused:
        controller("forgets")(0.1)


class Shrinks(Momentum):
    def ascend(self, multipliers, violations):
        return super().ascend(multipliers, violations).sum()


def test_one_that_returns_another_number_of_multipliers_is_refused():
    with pytest.raises(UserError, match=r"controller Shrinks must return a multiplier for each of the 2 constraints"):
        moved(Shrinks, [(9, 5)])


def test_the_default_is_gradient_ascent():
    assert DualSettings(0.1, 2).controller is GradientAscent
    assert FinetuneParams().controller == "gradient_ascent"
