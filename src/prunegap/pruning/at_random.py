"""Random pruning: what a rule is worth shows against weights that go by lot."""

import torch
from torch import Tensor

from prunegap.pruning.magnitude import prune_layerwise
from prunegap.pruning.seen import MaskedWeights, Seen


def prune_at_random(seen: Seen, sparsity: float) -> dict[str, Tensor]:
    """Prune ``ceil(sparsity * n)`` of the n weights of every layer, drawn by lot from the training's seed.

    Every weight has one lot for the whole training, so that the order in which weights go does not depend on how
    often is pruned.

    Args:
        seen: weights and masks in force, and the seed.
        sparsity: share of each layer's weights to be zero, in [0, 1].

    Returns:
        The new masks.
    """
    generator = torch.Generator().manual_seed(seen.seed)
    lots = {
        name: torch.rand(mask.shape, generator=generator, dtype=torch.float64).to(mask.device)
        for name, mask in seen.masks.items()
    }
    return prune_layerwise(MaskedWeights(lots, seen.masks), sparsity)
