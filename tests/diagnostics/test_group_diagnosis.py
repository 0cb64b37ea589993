"""Truth: a loop over single examples, the explicit Hessian of a small network, and T22's Eq. 6 written out."""

from math import isnan

import pytest
import torch
from core.small_runs import FORMAT, images
from torch import nn
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn import functional

from prunegap.data.augment import ImageFormat
from prunegap.data.grouped import Split
from prunegap.diagnostics import Eigenvalue, GroupDiagnosis, GroupLoss, diagnose_groups, groups
from prunegap.diagnostics.groups import drawn
from prunegap.errors import UserError
from prunegap.models.cifar_resnet import cifar_resnet20
from prunegap.models.small_cnn import small_cnn

NAMES = ("a", "b", "c")
DOUBLE = ImageFormat(FORMAT.mean, FORMAT.std, dtype=torch.float64)


def small_network() -> nn.Sequential:
    """Batch norm with statistics of its own, dropout, and few enough parameters for an explicit Hessian."""
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 3)
    ).double()
    network(torch.randn(50, 1, 6, 6, dtype=torch.float64))
    return network


def members(split: Split, group: int) -> Split:
    chosen = split.groups == group
    return Split(split.images[chosen], split.labels[chosen], split.groups[chosen])


def eigenvalue_of(one: GroupDiagnosis) -> Eigenvalue:
    assert one.eigenvalue is not None
    return one.eigenvalue


def explicit_hessian(network: nn.Module, split: Split) -> torch.Tensor:
    inputs = DOUBLE.inputs(split.images)
    values = {name: value.detach() for name, value in network.named_parameters()}
    sizes = [value.numel() for value in values.values()]

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = zip(values, flat.split(sizes), strict=True)
        parameters = {name: part.view_as(values[name]) for name, part in parts}
        return functional.cross_entropy(functional_call(network, parameters, (inputs,)), split.labels)

    return torch.as_tensor(hessian(loss, torch.cat([value.reshape(-1) for value in values.values()])))


def by_single_examples(network: nn.Module, split: Split, image_format: ImageFormat) -> tuple[list[float], float]:
    """Accuracy, loss and closeness, and the gradient's norm, one example after the other."""
    sums, total = torch.zeros(3, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for image, label in zip(split.images, split.labels, strict=True):
        network.zero_grad()
        logits = network(image_format.inputs(image[None]))
        loss = functional.cross_entropy(logits, label[None])
        loss.backward()
        total = total + torch.cat([torch.as_tensor(value.grad).double().reshape(-1) for value in network.parameters()])
        p = logits.softmax(dim=1)[0, label]
        one = [float(logits.argmax() == label), loss.item(), (p * (1 - p)).item()]
        sums += torch.tensor(one, dtype=torch.float64)
    network.zero_grad()
    return (sums / len(split)).tolist(), float((total / len(split)).norm())


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_every_figure_of_a_group_is_that_of_a_loop_over_its_examples(batch_size):
    split, network = images(90, seed=0), small_network().eval()
    found = diagnose_groups(network, split, DOUBLE, NAMES, hessian_examples=0, batch_size=batch_size)
    for group, one in enumerate(found):
        mine = members(split, group)
        figures, norm = by_single_examples(network, mine, DOUBLE)
        assert one.examples == len(mine)
        assert [one.accuracy, one.loss, one.closeness] == pytest.approx(figures, rel=1e-9)
        assert one.gradient_norm == pytest.approx(norm, rel=1e-9)
        assert (one.eigenvalue, one.hessian_examples) == (None, 0)


@pytest.mark.parametrize("build", [small_cnn, cifar_resnet20])
def test_in_single_precision_gradient_norms_agree_with_the_loop_to_1e5(build):
    torch.manual_seed(0)
    split = images(40, seed=2)
    split = Split(split.images.repeat(1, 1, 2, 2)[:, :, :8, :8], split.labels, split.groups)
    network = build(3, 1, 8).eval()
    for group, one in enumerate(diagnose_groups(network, split, FORMAT, NAMES, hessian_examples=0)):
        assert one.gradient_norm == pytest.approx(by_single_examples(network, members(split, group), FORMAT)[1], 1e-5)


def test_the_eigenvalue_is_the_largest_of_the_explicit_hessian():
    split, network = images(90, seed=0), small_network().eval()
    found = diagnose_groups(network, split, DOUBLE, NAMES, batch_size=13, tolerance=1e-6)
    for group, one in enumerate(found):
        mine = members(split, group)
        expected = torch.linalg.eigvalsh(explicit_hessian(network, mine))
        assert eigenvalue_of(one).value == pytest.approx(expected[-1].item(), rel=1e-5)
        assert eigenvalue_of(one).converged
        assert one.hessian_examples == len(mine)


def test_a_product_with_the_hessian_is_that_of_the_explicit_one_and_the_difference_of_two_gradients():
    split, network = images(30, seed=4), small_network().eval()
    loss, matrix = GroupLoss(network, split, DOUBLE, batch_size=11), explicit_hessian(network, split)
    vector = torch.randn(loss.size, dtype=torch.float64)
    product = loss.hessian_times(vector)
    torch.testing.assert_close(product, matrix @ vector, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss.hessian_times(vector), product, rtol=0, atol=0)
    sizes, ends, step = [value.numel() for value in network.parameters()], [], 1e-5
    for sign in (1, -2):  # to +step, then to -step
        with torch.no_grad():
            for value, part in zip(network.parameters(), vector.split(sizes), strict=True):
                value.add_(part.view_as(value), alpha=sign * step)
        ends.append(GroupLoss(network, split, DOUBLE, batch_size=30).slope().gradient)
    torch.testing.assert_close(product, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-8)


def test_at_most_so_many_examples_make_a_hessian_and_always_the_same():
    split, network = images(90, seed=0), small_network().eval()
    few = diagnose_groups(network, split, DOUBLE, NAMES, hessian_examples=10, tolerance=1e-6)
    assert few == diagnose_groups(network, split, DOUBLE, NAMES, hessian_examples=10, tolerance=1e-6)
    assert [one.hessian_examples for one in few] == [10, 10, 10]
    all_of_them = diagnose_groups(network, split, DOUBLE, NAMES, tolerance=1e-6)
    for group, (one, other) in enumerate(zip(few, all_of_them, strict=True)):
        index = drawn((split.groups == group).nonzero().squeeze(1), 10)
        mine = Split(split.images[index], split.labels[index], split.groups[index])
        expected = torch.linalg.eigvalsh(explicit_hessian(network, mine))[-1]
        assert eigenvalue_of(one).value == pytest.approx(expected.item(), rel=1e-5)
        assert eigenvalue_of(one).value != pytest.approx(eigenvalue_of(other).value, rel=1e-3)
        assert one.gradient_norm == other.gradient_norm
    chosen = drawn(torch.arange(30), 10).tolist()
    assert sorted(set(chosen)) == chosen
    assert chosen != list(range(10))


class Counting(nn.Module):
    """Counts in a buffer how often it was used, in evaluation mode too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("used", torch.zeros(()))

    def forward(self, inputs):
        self.get_buffer("used").add_(1)
        return inputs


def test_a_model_in_training_mode_is_judged_in_evaluation_mode():
    split, network = images(40, seed=0), small_network()
    as_trained = diagnose_groups(network.train(), split, DOUBLE, NAMES)
    assert as_trained == diagnose_groups(network.eval(), split, DOUBLE, NAMES)


def test_the_model_is_left_as_it_was():
    split, network = images(40, seed=0), small_network()
    network.append(Counting())
    network[1].eval()  # frozen on purpose inside a model in training mode
    network[0].bias.requires_grad_(False)
    weight = network.get_parameter("5.weight")
    weight.grad = torch.ones_like(weight)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    diagnose_groups(network, split, DOUBLE, NAMES)
    assert [module.training for module in network] == [True, False, True, True, True, True, True]
    assert [value.requires_grad for value in network.parameters()].count(False) == 1
    assert [value.grad is None for value in network.parameters()].count(False) == 1
    assert torch.as_tensor(weight.grad).eq(1).all()
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)


def test_a_frozen_parameter_counts_for_pruning_moves_it_too():
    split, network = images(40, seed=0), small_network().eval()
    free = diagnose_groups(network, split, DOUBLE, NAMES)
    network.requires_grad_(False)
    assert diagnose_groups(network, split, DOUBLE, NAMES) == free


def test_a_group_without_examples_has_no_figures():
    split, network = images(40, seed=0), small_network()
    *_, empty = diagnose_groups(network, split, DOUBLE, (*NAMES, "d"))
    assert (empty.examples, empty.eigenvalue, empty.hessian_examples) == (0, None, 0)
    figures = (empty.accuracy, empty.loss, empty.gradient_norm, empty.closeness)
    assert all(map(isnan, figures))


class Once(torch.autograd.Function):
    """A layer whose author wrote no second derivative."""

    @staticmethod
    def forward(ctx, inputs):
        ctx.save_for_backward(inputs)
        return inputs.relu()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient * (ctx.saved_tensors[0] > 0)


class OnceLayer(nn.Module):
    def forward(self, inputs):
        return Once.apply(inputs)


def test_a_layer_that_cannot_be_differentiated_twice_is_told_and_its_gradient_still_found():
    split = images(40, seed=0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), OnceLayer(), nn.Linear(4, 3)).eval()
    with pytest.raises(UserError, match=r"differentiated twice.*once_differentiable.*--no-hessian") as refused:
        diagnose_groups(network, split, FORMAT, NAMES)
    assert "\n" not in str(refused.value)
    for group, one in enumerate(diagnose_groups(network, split, FORMAT, NAMES, hessian_examples=0)):
        assert one.gradient_norm == pytest.approx(by_single_examples(network, members(split, group), FORMAT)[1], 1e-5)


def test_a_model_too_large_for_its_eigenvalues_is_refused_before_any_work(monkeypatch):
    split, network = images(40, seed=0), small_network().float()
    size = sum(value.numel() for value in network.parameters())
    monkeypatch.setattr(groups, "BYTES", 40 * 4 * size)
    diagnose_groups(network, split, FORMAT, NAMES)
    monkeypatch.setattr(groups, "BYTES", 40 * 4 * size - 1)
    with pytest.raises(UserError, match=rf"{size} parameters takes 0.0 GiB of vectors.*--no-hessian"):
        diagnose_groups(network, split, FORMAT, NAMES)
    diagnose_groups(network, split, FORMAT, NAMES, hessian_examples=0)


def test_a_loss_that_is_not_finite_is_told():
    network = small_network()
    with torch.no_grad():
        network.get_parameter("5.weight")[0, 0] = torch.inf
    with pytest.raises(UserError, match="loss or its gradient is not finite"):
        diagnose_groups(network, images(40, seed=0), DOUBLE, NAMES)
