"""Group DRO. Truth: Algorithm 1 of Sagawa et al. (2020) as its authors' code has it, a loop at a time; and a minimax
problem solved by scipy.
"""

import numpy as np
import pytest
import torch
from core.dual_setup import dual_state
from scipy.optimize import minimize


def test_the_weights_are_those_of_the_published_update():
    """Theirs: adv_probs *= exp(step_size * group_loss), then / its sum; an absent group's mean loss counts as 0."""
    draw = np.random.default_rng(3)
    dual = dual_state("group_dro", [9, 4, 2], step_size=0.3)
    q = np.full(3, 1 / 3)
    for step in range(25):
        groups = draw.integers(0, 2 if step % 3 == 0 else 3, size=8)
        losses = draw.exponential(size=8)
        dual.step(torch.from_numpy(losses), torch.zeros(8, dtype=torch.bool), torch.from_numpy(groups))
        for group in range(3):
            mean = losses[groups == group].mean() if (groups == group).any() else 0.0
            q[group] *= np.exp(0.3 * mean)
        q = q / q.sum()
        np.testing.assert_allclose(dual.multipliers.exp().numpy(), q, rtol=1e-10)
    assert q.max() > 0.5, "the weights have moved"


def test_of_a_batch_with_all_groups_the_gradient_is_that_of_the_weighted_sum_of_group_losses():
    dual = dual_state("group_dro", [5, 3], step_size=0.7)
    groups = torch.tensor([0, 0, 0, 1, 1])
    loss = torch.tensor([0.1, 0.5, 0.3, 2.0, 1.0], dtype=torch.float64)
    weights = dual.step(loss, torch.zeros(5, dtype=torch.bool), groups)
    q = np.exp(0.7 * np.array([0.3, 1.5]))
    q = q / q.sum()
    np.testing.assert_allclose(weights, [q[0] / 3] * 3 + [q[1] / 2] * 2, rtol=1e-12)


def test_what_absent_groups_would_weigh_goes_to_the_mean_loss_of_the_batch():
    dual = dual_state("group_dro", [5, 3, 4], step_size=1e-9)
    weights = dual.step(
        torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.bool), torch.tensor([0, 0, 0, 1])
    )
    rest = 1 / 3 / 4
    np.testing.assert_allclose(weights, [rest + 1 / 9] * 3 + [rest + 1 / 3], rtol=1e-7)


def test_after_a_long_way_the_weights_are_finite_and_sum_to_one():
    dual, weights = dual_state("group_dro", [5, 3], step_size=50.0), torch.zeros(2)
    for _ in range(200):
        loss = torch.tensor([0.0, 9.0], dtype=torch.float64)
        weights = dual.step(loss, torch.zeros(2, dtype=torch.bool), torch.tensor([0, 1]))
    assert weights.tolist() == pytest.approx([0, 1])
    assert dual.multipliers.isfinite().all()


def test_training_reaches_the_least_possible_loss_of_the_worst_group():
    draw = np.random.default_rng(11)
    centres, groups = draw.normal(size=(9, 3)), np.array([0, 0, 0, 0, 1, 1, 2, 2, 3])

    def group_losses(x: np.ndarray) -> np.ndarray:
        each = ((x - centres) ** 2).sum(axis=1) / 2
        return np.array([each[groups == group].mean() for group in range(4)])

    limits = [{"type": "ineq", "fun": lambda v, g=g: v[3] - group_losses(v[:3])[g]} for g in range(4)]
    known = minimize(lambda v: v[3], np.array([0, 0, 0, 9.0]), constraints=limits, method="SLSQP", tol=1e-12)
    assert known.success
    dual = dual_state("group_dro", [4, 2, 2, 1], step_size=0.05)
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    mean = torch.zeros(3, dtype=torch.float64)
    for step in range(4000):
        loss = (x - torch.from_numpy(centres)).square().sum(dim=1) / 2
        weights = dual.step(loss.detach(), torch.zeros(9, dtype=torch.bool), torch.from_numpy(groups))
        (gradient,) = torch.autograd.grad((weights * loss).sum(), x)
        with torch.no_grad():
            x -= 0.05 * gradient
            mean += (step >= 2000) * x / 2000
    np.testing.assert_allclose(mean, known.x[:3], atol=5e-3)
    assert group_losses(mean.numpy()).max() == pytest.approx(known.fun, abs=5e-3)
