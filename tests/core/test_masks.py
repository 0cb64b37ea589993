"""Truth: the layers' own order in the published architectures, and Table 7 of "Balancing Act"."""

import pytest
import torch
from torch import Tensor, nn

from prunegap.models.build import build
from prunegap.models.spec import ModelSpec
from prunegap.pruning.masks import dense_masks, norms_after, prunable_weights, with_norm_masks


def shapes_only(name: str, num_classes: int) -> tuple[nn.Module, dict[str, str]]:
    with torch.device("meta"):
        model = build(ModelSpec(name, num_classes, in_channels=3, image_size=32))
        return model, norms_after(model, torch.empty(2, 3, 32, 32))


def by_name(model: nn.Module) -> dict[str, str]:
    """Pair layers with norms as the architectures name them: conv1, bn1; in a sequence one after the other."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    pairs = {}
    for name in names:
        stem, _, last = name.rpartition(".")
        following = last.replace("conv", "bn") if last.startswith("conv") else str(int(last) + 1)
        pairs[name] = f"{stem}.{following}" if stem else following
    return pairs


@pytest.mark.parametrize(
    ("name", "norms"), [("cifar_resnet20", 21), ("cifar_resnet56", 57), ("mobilenet_v2", 52), ("resnet34", 36)]
)
def test_every_convolution_of_the_published_networks_feeds_the_norm_named_after_it(name, norms):
    model, pairs = shapes_only(name, 10)
    assert pairs == by_name(model)
    assert len(pairs) == norms
    assert all(isinstance(model.get_submodule(norm), nn.BatchNorm2d) for norm in pairs.values())


@pytest.mark.parametrize("name", ["vgg19", "small_cnn"])
def test_networks_without_batch_norm_have_no_pairs(name):
    assert shapes_only(name, 10)[1] == {}


@pytest.mark.parametrize(
    ("name", "classes", "total", "sparsifiable", "weights"),
    [
        ("mobilenet_v2", 5, 2_230_277, 2_222_944, 2_188_896),
        ("resnet34", 7, 21_288_263, 21_275_136, 21_258_240),
        ("cifar_resnet56", 100, 861_620, 854_656, 850_432),
    ],
)
def test_parameter_counts_equal_table_7(name, classes, total, sparsifiable, weights):
    model, norms = shapes_only(name, classes)
    masks = dense_masks(model)
    assert sum(parameter.numel() for parameter in model.parameters()) == total
    assert sum(mask.numel() for mask in masks.values()) == weights
    assert sum(mask.numel() for mask in with_norm_masks(masks, norms).values()) == sparsifiable


def test_neither_the_first_layer_nor_the_classifier_nor_a_bias_is_prunable():
    model = build(ModelSpec("small_cnn", 3, in_channels=1, image_size=8))
    assert list(prunable_weights(model)) == ["conv2.weight", "linear1.weight", "linear2.weight"]
    assert {name: mask.shape for name, mask in dense_masks(model).items()} == {
        name: weight.shape for name, weight in prunable_weights(model).items()
    }
    assert all(bool(mask.all()) for mask in dense_masks(model).values())


class Branches(nn.Module):
    """A norm behind a sum, a norm behind a linear layer, a layer that feeds a norm and more, a norm in front."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.BatchNorm1d(4)
        self.one, self.two, self.three, self.last = (nn.Linear(4, 4) for _ in range(4))
        self.behind_sum, self.behind_three = nn.BatchNorm1d(4), nn.BatchNorm1d(4)

    def forward(self, inputs: Tensor) -> Tensor:
        summed = self.behind_sum(self.one(self.front(inputs)) + self.two(inputs))
        return self.last(self.behind_three(self.three(summed)) + inputs)


def test_only_a_norm_that_gets_a_layers_very_output_is_paired():
    model = Branches()
    assert norms_after(model, torch.randn(3, 4)) == {"three": "behind_three"}


class Discarding(nn.Module):
    """Throws layers' outputs away; the sums that go into the norm are likely to take their places in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

    def forward(self, inputs: Tensor) -> Tensor:
        for _ in range(20):
            self.one(inputs)
            inputs = self.norm(inputs + 1)
        return inputs


def test_a_tensor_in_the_place_of_a_discarded_one_is_not_taken_for_it():
    assert norms_after(Discarding(), torch.randn(3, 4)) == {}


def test_looking_for_norms_leaves_the_model_as_it_was():
    model = Branches()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    norms_after(model, torch.randn(3, 4))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    norms_after(model.eval(), torch.randn(3, 4))
    assert not model.training


def test_a_norm_is_masked_where_the_whole_filter_is_gone_and_only_there():
    conv = torch.ones(3, 2, 3, 3, dtype=torch.bool)
    conv[1] = False
    conv[2, 0] = False
    masks = with_norm_masks({"conv.weight": conv, "linear.weight": torch.zeros(2, 2, dtype=torch.bool)}, {"conv": "bn"})
    assert {name: mask.tolist() for name, mask in masks.items() if mask.dim() == 1} == {
        "bn.weight": [True, False, True],
        "bn.bias": [True, False, True],
    }
    again = with_norm_masks(masks, {"conv": "bn"})
    assert {name: mask.tolist() for name, mask in again.items()} == {n: mask.tolist() for n, mask in masks.items()}
