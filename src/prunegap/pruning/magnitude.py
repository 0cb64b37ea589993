"""Magnitude pruning: the smallest weights go, and what is gone stays gone."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def prune_layerwise(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Prune ``ceil(sparsity * n)`` of the n weights of every layer ("Balancing Act", Section 5.1).

    Args:
        weights: weights by parameter name.
        masks: masks in force, same names and shapes; pruned weights never come back.
        sparsity: share of each layer's weights to be zero, in [0, 1].

    Returns:
        The new masks.
    """
    return {
        name: ~smallest(score(weights[name], mask), math.ceil(sparsity * mask.numel())) & mask
        for name, mask in masks.items()
    }


def prune_globally(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Prune ``ceil(sparsity * n)`` of all n weights together, whichever layer they stand in (Tran et al. 2022)."""
    scores = torch.cat([score(weights[name], mask).flatten() for name, mask in masks.items()])
    gone = smallest(scores, math.ceil(sparsity * scores.numel()))
    parts = gone.split([mask.numel() for mask in masks.values()])
    return {name: ~part.view_as(mask) & mask for (name, mask), part in zip(masks.items(), parts, strict=True)}


def score(weight: Tensor, mask: Tensor) -> Tensor:
    """Return |weight|, and -1 where it is already pruned, so that it counts first among the smallest."""
    return weight.detach().abs().masked_fill(~mask, -1.0)


def smallest(scores: Tensor, count: int) -> Tensor:
    """Return a mask of the ``count`` smallest scores; ties go to the earlier position."""
    flat = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    flat[scores.flatten().argsort(stable=True)[:count]] = True
    return flat.view(scores.shape)
