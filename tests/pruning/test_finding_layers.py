"""Truth: change one layer's weights at a time, and see which layers' inputs, and whether the scores, move."""

from typing import Any

import pytest
import torch
from pruning.networks import IMAGES, Attending, Gated, HeadFirst, Headless, InPlace, Residuals, Twice, TwoEyes
from torch import Tensor, nn
from torchvision.models import shufflenet_v2_x0_5, squeezenet1_1

from prunegap.errors import UserError
from prunegap.models.trace import classifier_names
from prunegap.models.weights import WEIGHTED
from prunegap.pruning.layers import Layers, find_layers


def seen(model: nn.Module, images: Tensor) -> tuple[dict[str, list[Tensor]], Tensor]:
    """Return what every convolution and linear layer is given, and the scores."""
    inputs: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Any:
        return lambda _module, given: inputs.setdefault(name, []).append(given[0].clone())

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, WEIGHTED)]
    hooks = [module.register_forward_pre_hook(keep(name)) for name, module in layers]
    with torch.no_grad():
        scores = model(images)
    for hook in hooks:
        hook.remove()
    return inputs, scores


def moved(one: list[Tensor], other: list[Tensor]) -> bool:
    return not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def by_changing(model: nn.Module, images: Tensor) -> dict[str, set[str]]:
    """Return input, classifier and idle layers by experiment; every layer must be called as a module."""
    model.eval()
    before, scores = seen(model, images)
    touches: dict[str, set[str]] = {}
    idle: set[str] = {name for name, m in model.named_modules() if isinstance(m, WEIGHTED)} - before.keys()
    for name in before:
        weight = model.get_submodule(name).get_parameter("weight")
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
        after, new_scores = seen(model, images)
        with torch.no_grad():
            weight.copy_(kept)
        touches[name] = {other for other in before if other != name and moved(before[other], after[other])}
        if torch.equal(scores, new_scores):
            idle.add(name)
    other_image, _ = seen(model, images.flip(0) + 0.1)
    touched = set().union(*touches.values())
    first = {name for name in before if moved(before[name][:1], other_image[name][:1])} - touched
    last = {name for name in before if not touches[name] - idle}
    return {"input": first - idle, "classifier": last - idle, "idle": idle}


NETWORKS = [HeadFirst, TwoEyes, Twice, Residuals, Gated]


@pytest.mark.parametrize("build", [*NETWORKS, squeezenet1_1, lambda: shufflenet_v2_x0_5(num_classes=4)])
def test_layers_are_found_by_what_they_do(build):
    torch.manual_seed(0)
    model = build().double()
    images = torch.rand(2, 3, 64, 64).double() if not isinstance(model, tuple(NETWORKS)) else IMAGES.double()
    layers, truth = find_layers(model, images), by_changing(model, images)
    assert set(layers.input) == truth["input"]
    assert set(layers.classifier) == truth["classifier"]
    assert set(layers.idle) == truth["idle"]
    everything = [name for name, module in model.named_modules() if isinstance(module, WEIGHTED)]
    pruned = [name for name in everything if not any(name in names for names in truth.values())]
    assert [name.removesuffix(".weight") for name in layers.prunable] == pruned
    assert all(weight is model.get_parameter(name) for name, weight in layers.prunable.items())


@pytest.mark.parametrize(
    ("build", "first", "last", "prunable"),
    [
        (HeadFirst, ("stem",), ("head",), ["middle.weight"]),
        (TwoEyes, ("near", "far"), ("heads.0", "heads.1"), ["joint.weight"]),
        (Twice, ("stem",), ("head",), ["again.weight"]),
        (Residuals, ("first",), ("last",), ["second.weight"]),
        (InPlace, ("left", "right"), ("head",), ["hidden.weight"]),
        (Gated, ("stem",), ("fc",), ["excite.weight", "squeeze.weight", "deep.weight", "depthwise.weight"]),
        (Headless, ("patches",), ("attend.out_proj",), ["attend.in_proj_weight"]),
        (
            Attending,
            ("patches",),
            ("head",),
            ["layer.self_attn.in_proj_weight", "layer.self_attn.out_proj.weight", "layer.linear1.weight",
             "layer.linear2.weight", "cross.q_proj_weight", "cross.k_proj_weight", "cross.v_proj_weight",
             "cross.out_proj.weight"],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_each_network_as_its_author_would_say(build, first, last, prunable, device):
    model = build().to(device)
    layers = find_layers(model, IMAGES.to(device))
    assert (layers.input, layers.classifier, list(layers.prunable)) == (first, last, prunable)
    assert classifier_names(model, IMAGES.to(device)) == tuple(sorted(last))


def test_the_words_and_the_plain_values_for_a_log_and_a_report():
    layers = find_layers(TwoEyes(), IMAGES)
    assert layers.why_dense() == (
        "dense stay near, far (input layer); heads.0, heads.1 (classifier); unused, helper, glance (not on the way "
        "from image to scores)"
    )
    assert layers.summary() == {
        "input": ["near", "far"], "classifier": ["heads.0", "heads.1"], "kept": [],
        "idle": ["unused", "helper", "glance"], "other": [], "prunable": ["joint"],
    }  # fmt: skip


def kept(names: tuple[str, ...]) -> Layers:
    return find_layers(Attending(), IMAGES, names)


def test_named_layers_stay_dense():
    assert "layer.linear1.weight" not in kept(("layer.linear1",)).prunable
    assert "layer.linear2.weight" in kept(("layer.linear1",)).prunable
    assert kept(("layer.linear1", "head")).kept == ("layer.linear1",), "the head stays dense in any case"


def test_a_modules_name_stands_for_all_layers_in_it():
    assert [*kept(("layer.self_attn",)).prunable][:1] == ["layer.linear1.weight"]
    rest = ("q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight")
    assert list(kept(("layer",)).prunable) == [f"cross.{name}" for name in rest]
    assert "cross.k_proj_weight" not in kept(("cross.k_proj_weight",)).prunable


def test_a_name_means_a_whole_name():
    model = nn.Sequential(nn.Flatten())
    for name, width in (("a", 192), ("b", 8), ("b1", 8), ("c", 8)):
        model.add_module(name, nn.Linear(width, 8))
    assert list(find_layers(model, IMAGES, ("b",)).prunable) == ["b1.weight"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("layer.linear3", r"did you mean 'layer\.linear[12]'\?"),
        ("token", r"valid: cross, cross\.out_proj, head, layer\."),
        ("layer.norm1", r"; "),
        ("", r"valid: cross"),
    ],
)
def test_a_name_that_is_no_layer_is_refused_with_the_nearest(name, hint):
    with pytest.raises(UserError, match=f"keep_dense: the model has no convolution or linear layer '{name}'.*{hint}"):
        kept((name,))


def test_looking_leaves_the_model_as_it_was():
    model = Gated()
    model.excite.eval()
    model.extra = nn.BatchNorm2d(3)
    modes = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fast, gradients = torch.backends.mha.get_fastpath_enabled(), []
    hook = model.stem.register_forward_pre_hook(lambda *_: gradients.append(torch.is_grad_enabled()))
    find_layers(model, IMAGES)
    hook.remove()
    assert gradients == [False]
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.backends.mha.get_fastpath_enabled() == fast


class Failing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        raise ValueError(f"too small: {x.shape}")


def test_a_model_that_fails_is_left_as_it_was_too():
    model = Failing()
    with pytest.raises(ValueError, match="too small"):
        find_layers(model, IMAGES)
    assert model.training
    assert not model.fc._forward_hooks
    assert torch.backends.mha.get_fastpath_enabled()
