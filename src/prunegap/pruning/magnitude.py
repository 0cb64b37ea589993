"""Magnitude pruning: the smallest weights go, and what is gone stays gone."""

import math

import torch
from torch import Tensor

from prunegap.pruning.seen import MaskedWeights


def prune_layerwise(seen: MaskedWeights, sparsity: float) -> dict[str, Tensor]:
    """Prune ``ceil(sparsity * n)`` of the n weights of every layer ("Balancing Act", Section 5.1).

    Args:
        seen: weights and masks in force; pruned weights never come back.
        sparsity: share of each layer's weights to be zero, in [0, 1].

    Returns:
        The new masks.
    """
    return {
        name: ~smallest(score(seen.weights[name], mask), math.ceil(sparsity * mask.numel())) & mask
        for name, mask in seen.masks.items()
    }


def prune_globally(seen: MaskedWeights, sparsity: float) -> dict[str, Tensor]:
    """Prune ``ceil(sparsity * n)`` of all n weights together, whichever layer they stand in (Tran et al. 2022)."""
    scores = torch.cat([score(seen.weights[name], mask).flatten() for name, mask in seen.masks.items()])
    gone = smallest(scores, math.ceil(sparsity * scores.numel()))
    parts = gone.split([mask.numel() for mask in seen.masks.values()])
    return {name: ~part.view_as(mask) & mask for (name, mask), part in zip(seen.masks.items(), parts, strict=True)}


def score(weight: Tensor, mask: Tensor) -> Tensor:
    """Return |weight|, and -1 where it is already pruned, so that it counts first among the smallest."""
    return weight.detach().abs().masked_fill(~mask, -1.0)


def smallest(scores: Tensor, count: int) -> Tensor:
    """Return a mask of the ``count`` smallest scores; ties go to the earlier position."""
    flat = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    flat[scores.flatten().argsort(stable=True)[:count]] = True
    return flat.view(scores.shape)
