"""Truth: a network whose forward pass multiplies every parameter by its mask, and exact zeros."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from core.small_runs import NO_EXAMPLES
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from prunegap.data.augment import ImageFormat
from prunegap.data.batches import Batch
from prunegap.models.cifar_resnet import CifarResNet
from prunegap.pruning.filters import with_norm_masks
from prunegap.pruning.layers import find_layers
from prunegap.pruning.magnitude import prune_globally, prune_layerwise
from prunegap.pruning.masks import MaskedParameters
from prunegap.pruning.schedule import PruningSchedule
from prunegap.pruning.seen import MaskedWeights
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan, prune_if_due
from prunegap.training.state import TrainingState
from prunegap.training.step import train_step

DEAD = {"layer1.0.conv1": 2, "layer2.0.downsample.0": 5, "layer3.0.conv2": 0}
NORM_OF = {
    "layer1.0.conv1": "layer1.0.bn1",
    "layer2.0.downsample.0": "layer2.0.downsample.1",
    "layer3.0.conv2": "layer3.0.bn2",
}


def batches(count: int = 4) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    return [
        Batch(
            torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64),
            torch.randint(4, (6,), generator=generator),
            torch.zeros(6, dtype=torch.int64),
        )
        for _ in range(count)
    ]


def pruned_network(*, zeroed: bool = True) -> tuple[CifarResNet, dict[str, Tensor]]:
    torch.manual_seed(1)
    model = CifarResNet((1, 1, 1), num_classes=4).double()
    layers = find_layers(model, torch.zeros(2, 3, 8, 8, dtype=torch.float64))
    masks = prune_layerwise(MaskedWeights(layers.prunable, layers.first_masks()), 0.8)
    for layer, channel in DEAD.items():
        masks[f"{layer}.weight"][channel] = False
    masks = with_norm_masks(masks, layers.norms)
    for layer, channel in DEAD.items():
        norm = model.get_submodule(NORM_OF[layer])
        assert isinstance(norm, nn.BatchNorm2d)
        with torch.no_grad():
            norm.bias[channel], norm.running_mean[channel] = 0.7, 0.3  # pyright: ignore[reportOptionalSubscript]
    if zeroed:
        MaskedParameters(model, masks).apply()
    return model, masks


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)


def check_dead_channels(model: nn.Module, inputs: Tensor) -> None:
    """Channels of DEAD are 0 behind their norm whatever comes in; others are not."""
    outputs: dict[str, Tensor] = {}

    def keep(layer: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: object, output: Tensor) -> None:
            outputs[layer] = output.clone()

        return hook

    hooks = [model.get_submodule(NORM_OF[layer]).register_forward_hook(keep(layer)) for layer in DEAD]
    with torch.no_grad():
        model(inputs)
    for hook in hooks:
        hook.remove()
    for layer, channel in DEAD.items():
        assert outputs[layer][:, channel].abs().max() == 0
        assert outputs[layer].abs().amax(dim=(0, 2, 3)).count_nonzero() > 1


@pytest.mark.parametrize("training", [True, False])
def test_a_wholly_pruned_filter_outputs_exact_zeros_after_training(training):
    model, masks = pruned_network()
    optimizer, masked = sgd(model), MaskedParameters(model, masks)
    model.train()
    for batch in batches():
        train_step(model, optimizer, masked, None, batch)
    check_dead_channels(model.train(training), batches(1)[0].inputs)


def test_masked_parameters_stay_exactly_zero_after_every_step():
    model, masks = pruned_network()
    optimizer, masked = sgd(model), MaskedParameters(model, masks)
    for batch in batches():
        train_step(model, optimizer, masked, None, batch)
        for name, mask in masks.items():
            parameter = model.get_parameter(name).detach()
            assert parameter[~mask].abs().sum() == 0
            assert not mask.any() or parameter[mask].count_nonzero() == int(mask.sum())


def masked_forward(model: nn.Module, masks: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    parameters = {name: value * masks.get(name, 1) for name, value in model.named_parameters()}
    return functional_call(model, parameters, inputs)


def test_kept_weights_move_as_if_the_forward_pass_were_masked():
    """There the raw weights under a mask live on with momentum and decay; here they are zero: no kept one differs."""
    model, masks = pruned_network()
    reference, _ = pruned_network(zeroed=False)
    optimizer, masked, theirs = sgd(model), MaskedParameters(model, masks), sgd(reference)
    for batch in batches(6):
        record = train_step(model, optimizer, masked, None, batch)
        theirs.zero_grad()
        loss = functional.cross_entropy(masked_forward(reference, masks, batch.inputs), batch.labels, reduction="none")
        loss.mean().backward()
        theirs.step()
        torch.testing.assert_close(record.loss, loss.detach(), atol=1e-12, rtol=0)
        for name, expected in reference.named_parameters():
            mask = masks.get(name, torch.ones_like(expected, dtype=torch.bool))
            found = model.get_parameter(name).detach()
            torch.testing.assert_close(found[mask], expected.detach()[mask], atol=1e-11, rtol=0)


def test_norm_entries_take_no_part_when_weights_are_chosen_among_all_layers():
    """A norm's scale of a dead channel is 0 and would be counted as one of the smallest at the next pruning."""
    model, _ = pruned_network()
    layers = find_layers(model, torch.zeros(2, 3, 8, 8, dtype=torch.float64))
    schedule = PruningSchedule(0.97, end=2)
    plan = TrainingPlan(
        Recipe(3), ImageFormat((0.0,), (1.0,)), schedule=schedule, prune=prune_globally, norms=layers.norms
    )
    state = TrainingState(model, sgd(model), layers.first_masks())
    for state.epoch in range(3):
        prune_if_due(state, plan, NO_EXAMPLES)
    weights = {name: mask for name, mask in state.masks.items() if name in layers.prunable}
    assert any(not state.masks[name].all() for name in layers.norms)
    total = sum(mask.numel() for mask in weights.values())
    assert sum(int((~mask).sum()) for mask in weights.values()) == math.ceil(0.97 * total)
    assert len(state.masks) == len(weights) + len(layers.norms)
