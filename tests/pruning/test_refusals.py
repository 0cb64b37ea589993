"""Truth: whether masking the parameter makes the weight that is really used sparse, by taking it out of the network."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as torch_prune
from torch.nn.utils.parametrize import register_parametrization

from prunegap.errors import UserError
from prunegap.pruning.layers import Layers, find_layers
from prunegap.pruning.masks import MaskedParameters

IMAGES = torch.rand(3, 6, generator=torch.Generator().manual_seed(0))


class Three(nn.Module):
    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.stem, self.middle, self.other, self.head = nn.Linear(6, 6), middle, nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.other(torch.tanh(self.middle(torch.tanh(self.stem(x)))))))


class Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight.triu() + weight.triu(1).mT


class Standardised(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return functional.linear(input, (self.weight - self.weight.mean(1, keepdim=True)) / 2, self.bias)


class Adapted(nn.Linear):
    def __init__(self) -> None:
        super().__init__(6, 6)
        self.down, self.up = nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(6, 2))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return functional.linear(input, self.weight + self.up @ self.down, self.bias)


class Scaled(nn.Linear):
    """Zeros stay zeros: equalised learning rates, a cast, a transpose, a slice."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return input @ (self.weight * 0.5).double().float().t()[:, :6] + self.bias


def registered(module: nn.Module, parametrisation: nn.Module) -> nn.Module:
    return register_parametrization(module, "weight", parametrisation)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "middle",
    [
        lambda: nn.utils.weight_norm(nn.Linear(6, 6)),
        lambda: parametrizations.weight_norm(nn.Linear(6, 6)),
        lambda: nn.utils.spectral_norm(nn.Linear(6, 6)),
        lambda: parametrizations.spectral_norm(nn.Linear(6, 6)),
        lambda: parametrizations.orthogonal(nn.Linear(6, 6)),
        lambda: registered(nn.Linear(6, 6), Symmetric()),
        lambda: torch_prune.l1_unstructured(nn.Linear(6, 6), "weight", 0.5),
        lambda: Standardised(6, 6),
        Adapted,
    ],
)
def test_a_weight_that_is_computed_is_refused_and_may_stay_dense(middle):
    model = Three(middle())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UserError, match=r"layer 'middle' cannot be pruned: .*; take that off .* in keep_dense"):
        find_layers(model, IMAGES)
    layers = find_layers(model, IMAGES, ("middle",))
    assert (layers.kept, list(layers.prunable)) == (("middle",), ["other.weight"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_parametrised_head_and_stem_are_no_obstacle():
    model = Three(nn.Linear(6, 6))
    parametrizations.spectral_norm(model.stem)
    parametrizations.weight_norm(model.head)
    layers = find_layers(model, IMAGES)
    assert (layers.input, layers.classifier) == (("stem",), ("head",))
    assert list(layers.prunable) == ["middle.weight", "other.weight"]


def test_a_weight_whose_zeros_stay_zeros_is_pruned():
    model = Three(Scaled(6, 6))
    layers = find_layers(model, IMAGES)
    assert "middle.weight" in layers.prunable
    masks = layers.first_masks()
    masks["middle.weight"][2] = False
    MaskedParameters(model, masks).apply()
    assert torch.equal(model.middle(IMAGES)[:, 2], model.middle.get_parameter("bias")[2].expand(3))


def test_one_parameter_in_two_layers_is_one_weight():
    model = Three(nn.Linear(6, 6))
    model.other.weight = model.get_submodule("middle").get_parameter("weight")
    layers = find_layers(model, IMAGES)
    assert list(layers.prunable) == ["middle.weight"]
    masks = layers.first_masks()
    masks["middle.weight"][:, 1] = False
    MaskedParameters(model, masks).apply()
    assert model.other.weight[:, 1].abs().max() == 0
    assert find_layers(model, IMAGES, ("other",)).prunable == {}


def test_a_shared_weight_answers_to_every_layers_name():
    model = nn.Sequential(*(nn.Linear(6, 6) for _ in range(5)))
    for number in ("2", "3"):
        model.get_submodule(number).weight = model.get_submodule("1").get_parameter("weight")
    assert list(find_layers(model, IMAGES).prunable) == ["1.weight"]
    assert [find_layers(model, IMAGES, (name,)).kept for name in "123"] == [("1",)] * 3


def test_a_weight_shared_with_the_head_stays_dense():
    model = Three(nn.Linear(6, 6))
    model.head = nn.Linear(6, 6)
    model.head.weight = model.other.weight
    layers = find_layers(model, IMAGES)
    assert layers.classifier == ("other",)
    assert list(layers.prunable) == ["middle.weight"]


def test_two_parameters_in_the_same_memory_are_refused():
    model = Three(nn.Linear(6, 6))
    model.other.weight = nn.Parameter(model.get_submodule("middle").get_parameter("weight").data[:])
    with pytest.raises(UserError, match=r"'middle.weight' and 'other.weight' share memory .*name both in keep_dense"):
        find_layers(model, IMAGES)
    with pytest.raises(UserError, match="share memory"):
        find_layers(model, IMAGES, ("middle",))
    assert find_layers(model, IMAGES, ("middle", "other")).prunable == {}


@pytest.mark.parametrize("turned", [False, True])
def test_parameters_side_by_side_in_one_memory_are_fine(turned: bool):
    model, flat = Three(nn.Linear(6, 6)), nn.init.normal_(torch.empty(72))
    first, second = (36, 0) if turned else (0, 36)
    model.get_submodule("middle").weight = nn.Parameter(flat[first : first + 36].view(6, 6))
    model.other.weight = nn.Parameter(flat[second : second + 36].view(6, 6))
    assert list(find_layers(model, IMAGES).prunable) == ["middle.weight", "other.weight"]


def two_layers() -> Layers:
    return find_layers(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), IMAGES)


def test_nothing_left_to_prune_is_refused_unless_nothing_is_to_go():
    with pytest.raises(UserError) as caught:
        two_layers().first_masks(0.9)
    assert str(caught.value) == (
        "model Sequential has nothing to prune to a sparsity of 0.9: dense stay 0 (input layer); 2 (classifier), and "
        "no other convolution or linear layer lies between them; use a deeper network, a shorter keep_dense, or "
        "sparsity 0"
    )
    assert two_layers().first_masks(0.0) == {}
    with pytest.raises(UserError, match=r"middle, other \(keep_dense\)"):
        find_layers(Three(nn.Linear(6, 6)), IMAGES, ("middle", "other")).first_masks(0.01)


class Round(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor(self.fc(x).tolist())


@pytest.mark.parametrize("model", [Round(), nn.Flatten()])
def test_scores_that_cannot_be_followed_to_a_weight_are_refused(model):
    with pytest.raises(UserError, match=f"model {type(model).__name__}: no layer with weights lies between"):
        find_layers(model, IMAGES)


class Own(nn.Module):
    """The network's own matrices, a recurrent layer, an embedding, a bias made by layers that no image passes."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Parameter(torch.randn(6, 8)), nn.Parameter(torch.randn(8, 3))
        self.recurrent = nn.GRU(8, 8)
        self.scale = nn.Parameter(torch.randn(1, 8))
        self.embedding, self.bias_of = nn.Embedding(4, 8), nn.Linear(8, 8)
        self.middle = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(x @ self.enter) * self.scale
        x = x + self.embedding((x[:, 0] > 0).long()) + torch.tanh(self.bias_of(self.scale))
        return self.recurrent(x)[0] @ self.leave


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_weights_of_other_kinds_take_part_and_stay_dense(device):
    layers = find_layers(Own().to(device), IMAGES.to(device))
    assert (layers.input, layers.classifier) == (("enter",), ("leave",))
    assert list(layers.prunable) == ["middle.weight"]
    assert layers.idle == ("bias_of",)
    assert set(layers.other) == {"recurrent.weight_ih_l0", "recurrent.weight_hh_l0"}


def test_a_weight_that_takes_no_gradient_is_pruned_and_still_takes_none():
    model = Three(nn.Linear(6, 6).requires_grad_(False))
    layers = find_layers(model, IMAGES)
    assert list(layers.prunable) == ["middle.weight", "other.weight"]
    masks = {name: torch.zeros_like(mask) for name, mask in layers.first_masks().items()}
    MaskedParameters(model, masks).apply()
    assert model.middle.get_parameter("weight").abs().max() == 0
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["middle.weight", "middle.bias"]


@pytest.mark.parametrize(
    ("middle", "how"),
    [
        (lambda: parametrizations.weight_norm(nn.Linear(6, 6)), "is parametrised (weight norm, spectral norm, ...)"),
        (lambda: Standardised(6, 6), "is computed on"),
    ],
)
def test_a_refusal_says_how_the_weight_is_computed(middle, how: str):
    with pytest.raises(UserError, match=rf"its weight {re.escape(how)} before it is used"):
        find_layers(Three(middle()), IMAGES)
