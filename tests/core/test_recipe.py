"""Truth: step sizes written out by hand, and torch's own milestone scheduler."""

import pytest
import torch
from torch import nn

from prunegap.training.recipe import Recipe


def test_eight_epochs_at_60_80_and_90_percent_have_milestones_at_4_6_and_7():
    recipe = Recipe(epochs=8, learning_rate=0.5)
    assert [recipe.learning_rate_at(e) for e in range(8)] == pytest.approx([0.5] * 4 + [0.05] * 2 + [0.005, 0.0005])


@pytest.mark.parametrize(
    ("epochs", "milestones", "gamma"), [(60, (0.6, 0.8, 0.9), 0.1), (47, (0.9,), 0.1), (5, (), 0.1), (13, (0.5,), 0.3)]
)
def test_the_step_size_is_that_of_torchs_scheduler(epochs, milestones, gamma):
    recipe = Recipe(epochs=epochs, learning_rate=0.02, milestones=milestones, gamma=gamma)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.02)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(f * epochs) for f in milestones], gamma)
    for epoch in range(epochs):
        assert recipe.learning_rate_at(epoch) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()


def test_the_optimizer_is_sgd_as_set_over_every_parameter():
    """One step by hand from weight 2, gradient 3: decayed 3 + .1 * 2 = 3.2; Nesterov 3.2 + .5 * 3.2, times .01."""
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 2)
    nn.init.constant_(layer.bias, 2)
    recipe = Recipe(epochs=1, learning_rate=0.01, momentum=0.5, nesterov=True, weight_decay=0.1)
    optimizer = recipe.optimizer(layer)
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, 3)
    optimizer.step()
    assert [p.item() for p in layer.parameters()] == pytest.approx([2 - 0.048] * 2)


def test_the_defaults_are_those_of_the_paper_on_cifar_100():
    assert Recipe(60) == Recipe(60, 128, 0.01, 0.9, False, 1e-4, (0.6, 0.8, 0.9), 0.1)
