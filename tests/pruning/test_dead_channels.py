"""Truth: outputs behind a layer, one channel of which has lost every weight; which weights those are, by experiment."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunegap.pruning.filters import Filters, with_norm_masks
from prunegap.pruning.layers import Layers, find_layers
from prunegap.pruning.masks import MaskedParameters

Make = Callable[[], nn.Module]


class Sandwich(nn.Module):
    """A stem, the layer and the norm in question, a head."""

    def __init__(self, stem: nn.Module, layer: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.norm, self.layer, self.stem = norm, layer, stem
        self.head = nn.LazyLinear(3)

    def behind(self, x: Tensor) -> Tensor:
        return self.norm(self.layer(torch.tanh(self.stem(x))))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.behind(x).flatten(1))


SIZES = {1: (9,), 2: (6, 6), 3: (4, 4, 4)}
CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TURNED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


def convolution(axes: int, kind: dict[int, Any], groups: int, norm: nn.Module) -> Sandwich:
    return Sandwich(CONV[axes](2, 4, 3, padding=1), kind[axes](4, 6, 3, groups=groups, padding=1), norm)


CASES: Mapping[str, tuple[Make, tuple[int, ...]]] = {
    f"{kind[axes].__name__}, {groups} groups": (
        lambda axes=axes, kind=kind, groups=groups: convolution(axes, kind, groups, BATCH[axes](6)),
        (2, *SIZES[axes]),
    )
    for axes in (1, 2, 3)
    for kind in (CONV, TURNED)
    for groups in (1, 2)
} | {
    f"{type(norm).__name__}": (lambda norm=norm: convolution(2, CONV, 1, norm), (2, 6, 6))
    for norm in (nn.InstanceNorm2d(6, affine=True), nn.GroupNorm(3, 6), nn.SyncBatchNorm(6))
} | {
    "depthwise": (
        lambda: Sandwich(nn.Conv2d(2, 6, 3), nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6)), (2, 7, 7)
    ),
    "depthwise, transposed": (
        lambda: Sandwich(nn.Conv2d(2, 6, 3), nn.ConvTranspose2d(6, 6, 3, groups=6), nn.BatchNorm2d(6)), (2, 7, 7)
    ),
    "linear, BatchNorm1d": (lambda: Sandwich(nn.Linear(5, 4), nn.Linear(4, 6), nn.BatchNorm1d(6)), (5,)),
    "linear, GroupNorm": (lambda: Sandwich(nn.Linear(5, 4), nn.Linear(4, 6), nn.GroupNorm(2, 6)), (5,)),
    "linear, LayerNorm": (lambda: Sandwich(nn.Linear(5, 4), nn.Linear(4, 6), nn.LayerNorm(6)), (5,)),
    "tokens, LayerNorm": (lambda: Sandwich(nn.Linear(5, 4), nn.Linear(4, 6), nn.LayerNorm(6)), (3, 5)),
    "LayerNorm without shift": (
        lambda: Sandwich(nn.Linear(5, 4), nn.Linear(4, 6), nn.LayerNorm(6, bias=False)), (5,)
    ),
}  # fmt: skip


def made(case: str) -> tuple[Sandwich, Tensor, Layers]:
    torch.manual_seed(3)
    build, shape = CASES[case]
    model, images = build(), torch.randn(4, *shape)
    assert isinstance(model, Sandwich)
    model.eval()(images)  # sizes the head
    for parameter in model.norm.parameters():
        nn.init.normal_(parameter, mean=1.0)
    return model.train(), images, find_layers(model, images)


def channel_axis(case: str) -> int:
    return -1 if case.startswith(("linear", "tokens", "LayerNorm")) else 1


def filter_by_experiment(model: Sandwich, images: Tensor, channel: int, axis: int) -> Tensor:
    """Return which weights of the layer its output channel depends on, by the gradient of its sum."""
    weight = model.layer.get_parameter("weight")
    out = model.layer(torch.tanh(model.stem(images)))
    (gradient,) = torch.autograd.grad((out.select(axis, channel) ** 2).sum(), weight)
    return gradient != 0


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_wholly_pruned_filter_outputs_exact_zeros_behind_its_norm(case, training):
    model, images, layers = made(case)
    axis, dead = channel_axis(case), 4
    mask = ~filter_by_experiment(model, images, dead, axis)
    masks = with_norm_masks({"layer.weight": mask}, layers.norms)
    MaskedParameters(model, masks).apply()
    with torch.no_grad():
        outputs = model.train(training).behind(images).movedim(axis, 0).flatten(1)
    assert outputs[dead].abs().max() == 0
    assert (outputs.abs().amax(1) > 0).tolist() == [channel != dead for channel in range(6)]


@pytest.mark.parametrize("case", CASES)
def test_a_channel_with_one_weight_left_lives(case):
    model, images, layers = made(case)
    mask = ~filter_by_experiment(model, images, 4, channel_axis(case))
    mask.view(-1)[(~mask).flatten().nonzero()[-1]] = True
    masks = with_norm_masks({"layer.weight": mask}, layers.norms)
    assert set(masks) == {"layer.weight", *(f"norm.{name}" for name, _ in model.norm.named_parameters())}
    assert all(bool(mask.all()) for name, mask in masks.items() if name.startswith("norm"))


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False), (2, 8, 8)),
        (nn.Conv2d(4, 6, 3), nn.InstanceNorm2d(6), (2, 8, 8)),
        (nn.Conv2d(4, 6, 3), nn.LayerNorm([6, 4, 4]), (2, 8, 8)),
        (nn.Conv2d(4, 6, 3), nn.LayerNorm(4), (2, 8, 8)),
        (nn.Conv2d(4, 6, 3), nn.Identity(), (2, 8, 8)),
    ],
)
def test_norms_that_scale_no_channel_of_the_layer_are_left_alone(layer, norm, shape):
    model, images = Sandwich(nn.Conv2d(2, 4, 3), layer, norm), torch.randn(2, *shape)
    model.eval()(images)
    layers = find_layers(model, images)
    assert list(layers.prunable) == ["layer.weight"]
    assert layers.norms == {}


def test_a_layer_norm_with_a_scale_per_token_and_feature_is_left_alone():
    model, images = Sandwich(nn.Linear(5, 4), nn.Linear(4, 6), nn.LayerNorm([3, 6])), torch.randn(2, 3, 5)
    model.eval()(images)
    assert find_layers(model, images).norms == {}


def test_a_batch_norm_across_tokens_is_not_taken_for_one_across_a_linear_layers_outputs():
    """Six tokens of six features: the sizes agree, the axes do not."""
    model, images = Sandwich(nn.Linear(5, 4), nn.Linear(4, 6), nn.BatchNorm1d(6)), torch.randn(2, 6, 5)
    model.eval()(images)
    assert find_layers(model, images).norms == {}


@pytest.mark.parametrize(("bias", "constant"), [(True, 0.75), (False, 0.0)])
def test_without_a_norm_a_dead_channel_is_its_bias_which_is_never_pruned(bias, constant):
    layer = nn.Conv2d(4, 6, 3, bias=bias)
    model, images = Sandwich(nn.Conv2d(2, 4, 3), layer, nn.Identity()), torch.randn(2, 2, 8, 8)
    model.eval()(images)
    layers = find_layers(model, images)
    if bias:
        nn.init.constant_(model.layer.get_parameter("bias"), constant)
    mask = torch.ones(6, 4, 3, 3, dtype=torch.bool)
    mask[2] = False
    MaskedParameters(model, with_norm_masks({"layer.weight": mask}, layers.norms)).apply()
    assert (model.behind(images)[:, 2] == constant).all()


class Shared(nn.Module):
    """One layer with two norms (one a scale), and one norm behind two layers; sums in and out of place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        self.twice, self.one, self.two, self.summed, self.added, self.kept = (nn.Linear(4, 4) for _ in range(6))
        self.far, self.near, self.both, self.behind_sum, self.behind_added, self.behind_stem, self.behind_kept = (
            nn.BatchNorm1d(4) for _ in range(7)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.behind_stem(self.stem(x))
        x = self.far(self.twice(self.near(self.twice(x))))
        x = self.both(self.one(x)) + self.both(self.two(x))
        x = self.behind_sum(self.summed(x) + x)
        added = self.added(x)
        added += x
        return self.head(self.behind_added(added) + self.behind_kept(input=self.kept(x).mul_(2)))


def weights_behind(layers: Layers) -> dict[str, Sequence[str]]:
    return {name: [one.weight for one in filters] for name, filters in layers.norms.items() if name.endswith("weight")}


def test_a_norm_belongs_to_the_layers_whose_very_outputs_are_all_it_gets():
    assert weights_behind(find_layers(Shared(), torch.randn(3, 4))) == {
        "near.weight": ["twice.weight"],
        "far.weight": ["twice.weight"],
        "both.weight": ["one.weight", "two.weight"],
        "behind_kept.weight": ["kept.weight"],
    }
    assert "both.weight" not in find_layers(Shared(), torch.randn(3, 4), ("two",)).norms, "a dense layer's never dies"


def test_a_norm_behind_two_layers_loses_the_channels_dead_in_both():
    masks = {name: torch.ones(3, 2, dtype=torch.bool) for name in ("a", "b")}
    masks["a"][0], masks["a"][1], masks["b"][1], masks["b"][2] = False, False, False, False
    norms = {"norm.weight": (Filters("a"), Filters("b"))}
    assert with_norm_masks(masks, norms)["norm.weight"].tolist() == [True, False, True]


class Discarding(nn.Module):
    """Throws layers' outputs away; the sums that go into the norm are likely to take their places in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.norm, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        used = self.one(x)
        for _ in range(20):
            self.one(x)
            x = self.norm(x + 1)
        return self.head(x + used)


def test_a_tensor_in_the_place_of_a_discarded_one_is_not_taken_for_it():
    layers = find_layers(Discarding(), torch.randn(3, 4))
    assert list(layers.prunable) == ["one.weight"]
    assert layers.norms == {}


def test_masks_of_norms_are_computed_anew_each_time():
    conv = torch.ones(3, 2, 3, 3, dtype=torch.bool)
    conv[1] = False
    conv[2, 0] = False
    norms = {"bn.weight": (Filters("conv.weight"),), "bn.bias": (Filters("conv.weight"),)}
    masks = with_norm_masks({"conv.weight": conv, "linear.weight": torch.zeros(2, 2, dtype=torch.bool)}, norms)
    assert {name: mask.tolist() for name, mask in masks.items() if mask.dim() == 1} == {
        "bn.weight": [True, False, True],
        "bn.bias": [True, False, True],
    }
    again = with_norm_masks(masks, norms)
    assert {name: mask.tolist() for name, mask in again.items()} == {n: mask.tolist() for n, mask in masks.items()}
