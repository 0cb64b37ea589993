"""Bias correction and retraining of the last layer. Truth: the optimality condition of each convex problem, torch's
LBFGS, and scikit-learn's logistic regression, on features read off a network layer by layer.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from core.small_runs import FORMAT, SmallRun, images, network
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional

from prunegap.data.grouped import Split
from prunegap.errors import UserError
from prunegap.training.methods import Method, find_method
from prunegap.training.run import TrainingPlan
from prunegap.training.state import TrainingState

VALIDATION = images(60, seed=7, hard=False)
DECAY = 0.02


def plan_for(method: str, validation: Split | None = VALIDATION, decay: float = DECAY) -> TrainingPlan:
    plan = SmallRun(method).plan()
    return replace(plan, validation=validation, recipe=replace(plan.recipe, weight_decay=decay))


def state_of(model: nn.Module, masks: dict[str, torch.Tensor] | None = None) -> TrainingState:
    return TrainingState(model, torch.optim.SGD(model.parameters(), 0.1), masks or {})


def finished(method: str, model: nn.Module, plan: TrainingPlan, masks: dict[str, torch.Tensor] | None = None) -> None:
    finish = find_method(method).finish
    assert finish is not None
    finish(state_of(model, masks), plan)()


def features_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()[:-1](FORMAT.inputs(VALIDATION.images)).double()


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def unbalanced() -> Split:
    """A few of one group, many of another."""
    keep = (VALIDATION.groups != 2) | (torch.arange(60) % 5 == 0)
    return Split(VALIDATION.images[keep], VALIDATION.labels[keep], VALIDATION.groups[keep])


def test_a_corrected_bias_is_the_optimum_that_torch_finds():
    model: Any = network(3).train()
    model[-1].bias.data = torch.tensor([2.0, -1.0, 0.5])
    before = weights_of(model)
    logits = features_of(model) @ before["10.weight"].double().T + before["10.bias"].double()
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([bias], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = functional.cross_entropy(logits + bias, VALIDATION.labels)
        loss.backward()
        return loss

    solver.step(closure)  # pyright: ignore
    model.train()
    finished("bias_correction", model, plan_for("bias_correction"))
    moved = model[-1].bias.detach().double() - before["10.bias"].double()
    torch.testing.assert_close(moved, (bias - bias.mean()).detach(), atol=1e-5, rtol=0)
    assert moved.abs().max() > 0.3
    assert model.training
    after = weights_of(model)
    assert all(torch.equal(after[name], before[name]) for name in before if name != "10.bias")


def test_with_a_corrected_bias_the_mean_probability_of_a_class_is_its_share():
    model: Any = network(4)
    finished("bias_correction", model, plan_for("bias_correction"))
    with torch.no_grad():
        probability = model.eval()(FORMAT.inputs(VALIDATION.images)).softmax(dim=1).mean(dim=0)
    share = torch.bincount(VALIDATION.labels).float() / 60
    torch.testing.assert_close(probability, share, atol=1e-5, rtol=0)


def test_a_retrained_last_layer_is_the_optimum_that_scikit_learn_finds():
    """Its problem has no penalised intercept: a feature of ones stands for the bias; C is 1 / decay."""
    model: Any = network(5)
    split = unbalanced()
    before = weights_of(model)
    with torch.no_grad():
        features = model.eval()[:-1](FORMAT.inputs(split.images)).double().numpy()
    model.train()
    finished("last_layer", model, plan_for("last_layer", split))
    groups = split.groups.numpy()
    weights = np.array([1 / (3 * (groups == group).sum()) for group in groups])
    assert weights.max() > 4 * weights.min()
    known = LogisticRegression(C=1 / DECAY, fit_intercept=False, tol=1e-10, max_iter=10_000)
    known.fit(np.hstack([features, np.ones((len(features), 1))]), split.labels.numpy(), sample_weight=weights)
    layer = torch.cat([model[-1].weight, model[-1].bias[:, None]], dim=1).detach().numpy()
    np.testing.assert_allclose(layer, known.coef_, atol=1e-4)
    after = weights_of(model)
    assert all(torch.equal(after[name], before[name]) for name in before if not name.startswith("10."))
    assert model.training


@pytest.mark.parametrize("bias", [True, False])
def test_what_is_pruned_of_a_layer_stays_zero_and_the_rest_is_stationary(bias):
    model: Any = network(6)
    model[-1] = nn.Linear(12, 3, bias=bias)
    masks = {"10.weight": torch.rand(3, 12, generator=torch.Generator().manual_seed(1)) < 0.4}
    finished("last_layer", model, plan_for("last_layer"), masks)
    head: Any = model[-1]
    assert (head.weight[~masks["10.weight"]] == 0).all()
    assert (head.weight[masks["10.weight"]] != 0).any()
    assert (head.bias is not None) is bias
    features = features_of(model)
    free = [p.detach().double().requires_grad_() for p in head.parameters()]
    losses = functional.cross_entropy(functional.linear(features, *free), VALIDATION.labels, reduction="none")
    objective = sum(losses[VALIDATION.groups == group].mean() / 3 for group in range(3))
    objective = objective + DECAY / 2 * sum(p.square().sum() for p in free)
    gradients = torch.autograd.grad(objective, free)  # pyright: ignore
    assert (gradients[0] * masks["10.weight"]).abs().max() < 1e-5
    assert not bias or gradients[1].abs().max() < 1e-5


class WithoutAHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images).mean(dim=(2, 3))


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = network(0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 2 * self.body(images)


def without_bias() -> nn.Module:
    model: Any = network(0)
    model[-1] = nn.Linear(12, 3, bias=False)
    return model


TWO_CLASSES = Split(VALIDATION.images, VALIDATION.labels.clamp(max=1), VALIDATION.groups)
REFUSED = [
    ("bias_correction", lambda: network(0), plan_for("bias_correction", None), "no validation split; set prepare_data"),
    ("last_layer", lambda: network(0), plan_for("last_layer", None), "no validation split; set prepare_data"),
    ("bias_correction", without_bias, plan_for("bias_correction"), "layer '10' of Sequential has none; build it with"),
    ("last_layer", lambda: network(0), plan_for("last_layer", decay=0.0), "weight_decay, which is 0: .* set prune's"),
    ("last_layer", WithoutAHead, plan_for("last_layer"), "those of WithoutAHead are made by body.2.weight; take anot"),
    ("bias_correction", Scaled, plan_for("bias_correction"), "those of Scaled are made by body.10.weight; take anot"),
    ("last_layer", lambda: network(0), plan_for("last_layer", TWO_CLASSES), r"none of class 2 \(counted from 0\); set"),
]


@pytest.mark.parametrize(("method", "build", "plan", "told"), REFUSED)
def test_what_cannot_be_fitted_is_refused_before_the_first_epoch(method, build, plan, told):
    finish = find_method(method).finish
    assert finish is not None
    with pytest.raises(UserError, match=f"^method {method} .*{told}"):
        finish(state_of(build()), plan)


def test_a_method_cannot_keep_its_best_epoch_and_finish_the_last():
    with pytest.raises(UserError, match="method 'mine' keeps its best epoch and has a finish"):
        Method("mine", keeps="best_on_validation", finish=find_method("last_layer").finish)
