"""Truth: autograd of the Lagrangian written out group by group, as the method's primal step defines it."""

import pytest
import torch
from core.dual_setup import dual_state
from torch import Tensor, nn
from torch.nn import functional

from prunegap.data.batches import Batch
from prunegap.pruning.masks import MaskedParameters
from prunegap.training.step import train_step

GROUPS, CLASSES, FEATURES = 4, 3, 5
DENSE_LOSS = [0.3, 0.5, 0.1, 0.9]


def lagrangian(method: str, equality: str, loss: Tensor, groups: Tensor, multipliers: Tensor) -> Tensor:
    overall, dense_overall = loss.mean(), sum(DENSE_LOSS) / GROUPS
    total = overall
    for g in range(GROUPS):
        members = loss[groups == g]
        if len(members) == 0:
            continue
        if method.startswith("ceag"):
            surrogate = (members.mean() - DENSE_LOSS[g]) - (overall - dense_overall)
        else:
            surrogate = members.mean() - overall
        total = total + multipliers[g] * (surrogate.abs() if equality == "absolute" else surrogate)
    return total


@pytest.mark.parametrize("present", [[0, 1, 2, 3], [1, 3], [2]], ids=str)
@pytest.mark.parametrize(
    ("method", "equality"),
    [("ceag", "signed"), ("ceag_no_rb", "signed"), ("el", "signed"), ("el", "absolute"), ("el_rb", "signed")],
)
def test_the_weighted_losses_have_the_gradient_of_the_lagrangian(method, equality, present):
    generator = torch.Generator().manual_seed(len(present))
    dual = dual_state(method, [5, 3, 9, 2], [0.9, 0.8, 0.9, 0.7], DENSE_LOSS, capacity=3, equality=equality)
    dual.multipliers = torch.tensor([0.4, 0.7, 0.2, 1.9], dtype=torch.float64)
    inputs = torch.randn(13, FEATURES, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (13,), generator=generator)
    groups = torch.tensor(present)[torch.randint(len(present), (13,), generator=generator)]
    parameter = torch.randn(CLASSES, FEATURES, generator=generator, dtype=torch.float64, requires_grad=True)
    logits = functional.linear(inputs, parameter)
    loss = functional.cross_entropy(logits, labels, reduction="none")
    weights = dual.step(loss.detach(), logits.detach().argmax(1) == labels, groups)
    (ours,) = torch.autograd.grad((weights * loss).sum(), parameter, retain_graph=True)
    written_out = lagrangian(method, equality, loss, groups, dual.multipliers)
    (expected,) = torch.autograd.grad(written_out, parameter)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0)
    assert float(weights.sum()) == pytest.approx(1)
    if method == "el" and len(present) == GROUPS:
        torch.testing.assert_close((weights * loss).sum(), written_out)


@pytest.mark.parametrize(("method", "equality"), [("ceag_no_rb", "signed"), ("el", "absolute")])
def test_a_training_step_descends_the_lagrangian_with_the_new_multipliers(method, equality):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(10, FEATURES, generator=generator, dtype=torch.float64)
    labels, groups = torch.randint(CLASSES, (10,), generator=generator), torch.arange(10) % GROUPS
    model, reference = nn.Linear(FEATURES, CLASSES).double(), nn.Linear(FEATURES, CLASSES).double()
    reference.load_state_dict(model.state_dict())
    dual = dual_state(method, [3, 3, 2, 2], [0.9, 0.8, 0.9, 0.7], DENSE_LOSS, equality=equality, step_size=2.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    record = train_step(model, optimizer, MaskedParameters(model, {}), dual, Batch(inputs, labels, groups))
    logits = reference(inputs)
    loss = functional.cross_entropy(logits, labels, reduction="none")
    assert dual.multipliers.abs().max() > 0.1
    lagrangian(method, equality, loss, groups, dual.multipliers).backward()
    torch.optim.SGD(reference.parameters(), lr=0.1).step()
    torch.testing.assert_close(model.weight, reference.weight, atol=1e-12, rtol=0)
    torch.testing.assert_close(model.bias, reference.bias, atol=1e-12, rtol=0)
    torch.testing.assert_close(record.loss, loss.detach())
    assert record.correct.tolist() == (logits.argmax(1) == labels).tolist()
    assert record.weights is not None
    assert not record.loss.requires_grad
