"""Truth: the rule of the papers' networks written out, all but the first and the last layer registered, and Table 7."""

import pytest
import torch
from torch import Tensor, nn

from prunegap.models.build import build
from prunegap.models.known_models import model_names
from prunegap.models.spec import ModelSpec
from prunegap.pruning.filters import with_norm_masks
from prunegap.pruning.layers import Layers, find_layers
from prunegap.pruning.magnitude import prune_layerwise
from prunegap.pruning.seen import MaskedWeights

LAYERS = (nn.Conv2d, nn.Linear)


def shapes_only(name: str, num_classes: int) -> tuple[nn.Module, Layers]:
    with torch.device("meta"):
        model = build(ModelSpec(name, num_classes, in_channels=3, image_size=32))
        return model, find_layers(model, torch.empty(2, 3, 32, 32))


def all_but_the_ends(model: nn.Module) -> list[str]:
    return [f"{name}.weight" for name, module in model.named_modules() if isinstance(module, LAYERS)][1:-1]


def norms_by_name(model: nn.Module) -> dict[str, str]:
    """Pair layers with norms as the architectures name them: conv1, bn1; in a sequence one after the other."""
    pairs = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            stem, _, last = name.rpartition(".")
            following = last.replace("conv", "bn") if last.startswith("conv") else str(int(last) + 1)
            norm = f"{stem}.{following}" if stem else following
            if isinstance(dict(model.named_modules()).get(norm), nn.BatchNorm2d):
                pairs[name] = norm
    return pairs


@pytest.mark.parametrize("name", model_names())
def test_prunable_are_all_layers_but_the_first_and_the_last(name):
    model, layers = shapes_only(name, 10)
    assert list(layers.prunable) == all_but_the_ends(model)
    assert (layers.kept, layers.idle, layers.other) == ((), (), ())


@pytest.mark.parametrize(
    ("name", "norms"),
    [("cifar_resnet20", 20), ("cifar_resnet56", 56), ("mobilenet_v2", 51), ("resnet18", 19), ("resnet34", 35),
     ("resnet50", 52), ("vgg19", 0), ("small_cnn", 0)],
)  # fmt: skip
def test_every_pruned_convolution_is_followed_by_the_norm_named_after_it(name, norms):
    model, layers = shapes_only(name, 10)
    pairs = {conv: norm for conv, norm in norms_by_name(model).items() if f"{conv}.weight" in layers.prunable}
    found = {norm: filters[0].weight for norm, filters in layers.norms.items()}
    assert all(len(filters) == 1 and not filters[0].transposed_groups for filters in layers.norms.values())
    assert list(found.items()) == [
        (f"{norm}.{part}", f"{conv}.weight") for conv, norm in pairs.items() for part in ("weight", "bias")
    ]
    assert len(pairs) == norms


def masks_as_before(model: nn.Module, sparsity: float) -> dict[str, Tensor]:
    masks = {}
    for name in all_but_the_ends(model):
        flat = model.get_parameter(name).detach().abs().flatten()
        keep = torch.ones_like(flat, dtype=torch.bool)
        keep[flat.argsort(stable=True)[: -int(-sparsity * len(flat) // 1)]] = False
        masks[name] = keep.view_as(model.get_parameter(name))
    for conv, norm in norms_by_name(model).items():
        if f"{conv}.weight" in masks:
            channels = masks[f"{conv}.weight"].flatten(1).any(1)
            masks |= {f"{norm}.weight": channels, f"{norm}.bias": channels}
    return masks


@pytest.mark.parametrize("name", ["small_cnn", "cifar_resnet20", "mobilenet_v2", "resnet18"])
def test_the_masks_are_those_of_the_papers(name):
    torch.manual_seed(0)
    model = build(ModelSpec(name, 5, in_channels=3, image_size=32))
    layers = find_layers(model, torch.rand(2, 3, 32, 32))
    masks = with_norm_masks(
        prune_layerwise(MaskedWeights(layers.prunable, layers.first_masks(0.975)), 0.975), layers.norms
    )
    expected = masks_as_before(model, 0.975)
    assert list(masks) == list(expected)
    assert all(torch.equal(masks[name], expected[name]) for name in masks)
    assert not layers.norms or any(not masks[name].all() for name in layers.norms), "no filter went: nothing is shown"


@pytest.mark.parametrize(
    ("name", "classes", "total", "sparsifiable", "weights"),
    [
        ("mobilenet_v2", 5, 2_230_277, 2_222_944, 2_188_896),
        ("resnet34", 7, 21_288_263, 21_275_136, 21_258_240),
        ("cifar_resnet56", 100, 861_620, 854_656, 850_432),
    ],
)
def test_parameter_counts_equal_table_7(name, classes, total, sparsifiable, weights):
    model, layers = shapes_only(name, classes)
    masks = layers.first_masks()
    assert sum(parameter.numel() for parameter in model.parameters()) == total
    assert sum(mask.numel() for mask in masks.values()) == weights
    assert sum(mask.numel() for mask in with_norm_masks(masks, layers.norms).values()) == sparsifiable
