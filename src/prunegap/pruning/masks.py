"""Masks: which parameters may be pruned, which are, and keeping them at zero.

A mask has the shape of its parameter; True = kept. Masks are keyed by parameter name. Pruned are the weights
of every convolution and linear layer except the first and the classifier; never biases. A channel whose
filter is wholly pruned must output exactly 0, so the scale and shift of its batch norm are masked with it
("Balancing Act", Table 7 counts them as pruned).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunegap.shapes import Inputs

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
# One kernel for all layers instead of one each; torch has no public name for it.
fused_multiply: Callable[[list[Tensor], list[Tensor]], None] = getattr(torch, "_foreach_mul_")  # noqa: B009
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def prunable_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the prunable weights by parameter name, in the order the model registers its layers."""
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, WEIGHTED)]
    return {f"{name}.weight": module.weight for name, module in layers[1:-1]}


def dense_masks(model: nn.Module) -> dict[str, Tensor]:
    """Return masks that keep every prunable weight."""
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in prunable_weights(model).items()}


def norms_after(model: nn.Module, inputs: Inputs) -> dict[str, str]:
    """Return the name of the batch norm that each convolution or linear layer feeds directly.

    Found by one forward pass of ``inputs`` in evaluation mode: the norm's input is the very tensor that the
    layer returned. A residual sum in between breaks the pair, as it should.
    """
    producer: dict[int, str] = {}
    kept: list[Tensor] = []
    pairs: dict[str, str] = {}

    def remember(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: Any, output: Tensor) -> None:  # noqa: ANN401 - torch's hook
            producer[id(output)] = name
            kept.append(output)  # an id is only unique while its tensor lives

        return hook

    def look_up(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
            if id(given[0]) in producer:
                pairs[producer[id(given[0])]] = name

        return hook

    hooks = [
        module.register_forward_hook(remember(name))
        if isinstance(module, WEIGHTED)
        else module.register_forward_pre_hook(look_up(name))
        for name, module in model.named_modules()
        if isinstance(module, WEIGHTED + NORMS)
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(inputs)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return pairs


def with_norm_masks(masks: Mapping[str, Tensor], norms: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the weight masks together with those of the batch norms behind wholly pruned filters.

    Args:
        masks: weight masks by parameter name (masks of norms, if any, are computed anew).
        norms: name of the norm each layer feeds, from :func:`norms_after`.
    """
    weights = {name: mask for name, mask in masks.items() if mask.dim() > 1}
    alive = {
        norms[layer]: mask.flatten(1).any(dim=1)
        for name, mask in weights.items()
        if (layer := name.removesuffix(".weight")) in norms
    }
    for norm, channels in alive.items():
        weights |= {f"{norm}.weight": channels, f"{norm}.bias": channels.clone()}
    return weights


class MaskedParameters:
    """Keeps masked parameters of a model at zero: call :meth:`apply` after every optimizer step."""

    def __init__(self, model: nn.Module, masks: Mapping[str, Tensor]) -> None:
        parameters: dict[str, Tensor] = dict(model.named_parameters())
        self._parameters = [parameters[name] for name in masks]
        self._factors = [mask.to(parameters[name]) for name, mask in masks.items()]

    @torch.no_grad()
    def apply(self) -> None:
        """Set every masked entry to zero."""
        if self._parameters:
            fused_multiply(self._parameters, self._factors)


def sparsity_of(masks: Mapping[str, Tensor]) -> float:
    """Share of prunable weights that are zero (batch-norm entries do not count)."""
    weights = [mask for mask in masks.values() if mask.dim() > 1]
    total = sum(mask.numel() for mask in weights)
    return 1 - sum(int(mask.sum()) for mask in weights) / total if total else 0.0


def layer_sparsities(masks: Mapping[str, Tensor]) -> dict[str, float]:
    """Share of zero weights of each pruned layer, by layer name."""
    return {
        name.removesuffix(".weight"): 1 - float(mask.double().mean()) for name, mask in masks.items() if mask.dim() > 1
    }
