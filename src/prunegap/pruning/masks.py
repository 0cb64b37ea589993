"""Masks: keeping what is pruned at zero, and counting it.

A mask has the shape of its parameter; True = kept. Masks are keyed by parameter name. Which weights may be pruned:
:mod:`prunegap.pruning.layers`; which norm entries go with them: :mod:`prunegap.pruning.filters`.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

# One kernel for all layers instead of one each; torch has no public name for it.
fused_multiply: Callable[[list[Tensor], list[Tensor]], None] = getattr(torch, "_foreach_mul_")  # noqa: B009


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
