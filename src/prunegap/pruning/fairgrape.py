r"""FairGRAPE: keep, in every layer, the weights through which each group holds its share of importance.

Lin, Kim and Joo, "FairGRAPE: Fairness-aware GRAdient Pruning mEthod for Face Attribute Classification" (ECCV 2022).

Importance of weight w to group g, over the batches B of its training examples, in evaluation mode::

    I[g, w] = sum over B of (|w| * |dL_g/dw|)^2,    L_g = mean cross-entropy of the batch

Selection, layer by layer. T[g] is the sum of I[g, w] over the layer before anything is pruned, S[g] the sum over the
weights kept so far. Until the layer has its ``n - ceil(sparsity * n)`` weights:

1. take the group with the largest deficit, T[g] / sum(T) - S[g] / sum(S) (a share of nothing is 0);
2. keep, of the weights not kept yet, the one that matters most to it.

What we settled where the description leaves a choice:

- Batches hold one group each, so that a pass over the training set is one backward pass a batch, not one a batch and
  group, and no group is measured on a handful of examples. A group of many batches has a larger sum; what is compared
  is how far its share is from what that share was, in which its size drops out.
- T is of the layer, not of the whole network, where a few layers would speak for all; and it is of the first pruning
  of a run, after which the model has moved on. S is measured anew at every pruning.
- Every layer gets the same sparsity, as under ``layerwise``.
- Ties: of groups equally far behind (before the first pick all are), the one with the larger T, then the first; of
  weights equally important, the later position, as in :mod:`prunegap.pruning.magnitude`.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prunegap.errors import UserError
from prunegap.pruning.seen import Seen
from prunegap.shapes import GroupFloats, GroupWeights, WeightBools

logger = logging.getLogger(__name__)


def fairgrape(seen: Seen, sparsity: float) -> dict[str, Tensor]:
    """Keep in each layer what matters to the group furthest below its share of importance (FairGRAPE).

    Args:
        seen: weights, masks, model, training examples and groups; ``memory`` keeps each layer's T.
        sparsity: share of each layer's weights to be zero, in [0, 1].

    Returns:
        The new masks.

    Raises:
        UserError: a group without training examples, or gradients that are not finite.
    """
    if not seen.masks:
        return {}
    importance = group_importance(seen)
    began = time.perf_counter()
    masks: dict[str, Tensor] = {}
    for name, mask in seen.masks.items():
        total = seen.memory.setdefault(name, importance[name].sum(dim=1, dtype=torch.float64))
        alive = mask.flatten().cpu()
        count = min(int(alive.sum()), mask.numel() - math.ceil(sparsity * mask.numel()))
        kept = torch.zeros_like(alive)
        kept[alive] = select(importance[name][:, alive], total.cpu(), count)
        masks[name] = kept.view(mask.shape).to(mask.device)
    logger.info("fairgrape: weights selected in %.2f s", time.perf_counter() - began)
    return masks


def group_importance(seen: Seen) -> dict[str, GroupWeights]:
    """Measure how much every prunable weight matters to every group; the model stays as it is.

    Args:
        seen: the model and its training examples. Forward and backward once for each batch of each group.

    Returns:
        I, shape (groups, weights), on the CPU, by parameter name.

    Raises:
        UserError: a group without training examples, or gradients that are not finite.
    """
    _require_examples(seen)
    weights = list(seen.weights.values())
    rows: dict[str, list[Tensor]] = {name: [] for name in seen.weights}
    spent: list[tuple[float, int]] = []
    with seen.measuring():
        for group, group_name in enumerate(seen.group_names):
            began, passes = time.perf_counter(), 0
            sums = [torch.zeros(weight.shape, dtype=torch.float64, device=weight.device) for weight in weights]
            for batch in seen.batches(group):
                gradients = torch.autograd.grad(seen.losses(batch).mean(), weights, materialize_grads=True)
                for total, weight, gradient in zip(sums, weights, gradients, strict=True):
                    total.add_((weight.detach() * gradient).double().square())
                passes += 1
            for name, total in zip(rows, sums, strict=True):
                _require_finite(total, name, group_name)
                rows[name].append(total.flatten().float().cpu())
            spent.append((time.perf_counter() - began, passes))
    _log_cost(seen.group_names, spent)
    return {name: torch.stack(row) for name, row in rows.items()}


def select(importance: GroupWeights, total: GroupFloats, count: int) -> WeightBools:
    """Pick ``count`` weights of a layer greedily, exactly as the rule at the head of this file does one at a time.

    A group's next weight is the head of its queue, its weights sorted once. Times ``sum(T) * sum(S)``, the same
    for all groups, a deficit is ``T[g] * sum(S) - S[g] * sum(T)``: linear in S, so that a pick adds to the deficits
    a vector that is known beforehand, and no pick looks at all weights or all groups' sums.

    Args:
        importance: I of the weights there are to pick from, fewer than 2**32; its precision is float32.
        total: T, in any one unit.
        count: weights to keep, at most as many as there are.

    Returns:
        Whether each weight is kept.
    """
    shares = total.double().numpy()
    first_on_ties = np.argsort(-shares, kind="stable")
    shares, single = shares[first_on_ties], importance.float().numpy()[first_on_ties]
    values = single.astype(np.float64)
    change = np.ascontiguousarray((np.outer(shares, values.sum(axis=0)) - (shares.sum() or 1.0) * values).T)
    queues = [_descending(row) for row in single]
    kept = bytearray(values.shape[1])
    deficit = np.zeros(len(shares))
    largest = deficit.argmax
    for _ in range(count):
        for weight in queues[largest()]:
            if not kept[weight]:
                kept[weight] = 1
                deficit += change[weight]
                break
    return torch.frombuffer(kept, dtype=torch.bool).clone() if kept else torch.zeros(0, dtype=torch.bool)


def _descending(row: npt.NDArray[np.float32]) -> Iterator[int]:
    """Iterate over positions by value, the largest first, of equal ones the later.

    The bits of floats that are not negative are in their order: value and position make one integer, and numpy sorts
    integers ten times as fast as it sorts positions by a key.
    """
    keys = row.view(np.uint32).astype(np.uint64) << 32 | np.arange(len(row), dtype=np.uint64)
    keys.sort()
    return iter(keys[::-1].astype(np.uint32).data)  # hands out plain integers, faster than the array does


def _require_examples(seen: Seen) -> None:
    counts = seen.split.group_counts(len(seen.group_names)).tolist()
    empty = [f"'{name}'" for name, count in zip(seen.group_names, counts, strict=True) if not count]
    if empty:
        raise UserError(
            f"pruning rule 'fairgrape' measures every group on its training examples, and of {', '.join(empty)} there "
            "are none; leave it out (drop_groups of prepare_data), or prune with rule layerwise or global"
        )


def _require_finite(total: Tensor, name: str, group_name: str) -> None:
    if not total.isfinite().all():
        raise UserError(
            f"pruning rule 'fairgrape': the gradients of group '{group_name}' in '{name}' are not finite; lower "
            "learning_rate, or use precision float32"
        )


def _log_cost(group_names: Sequence[str], spent: Sequence[tuple[float, int]]) -> None:
    each = ", ".join(
        f"{name} {seconds:.2f} s ({passes})" for name, (seconds, passes) in zip(group_names, spent, strict=True)
    )
    logger.info(
        "fairgrape: importance in %d backward passes, %.2f s; of each group: %s",
        sum(passes for _, passes in spent),
        sum(seconds for seconds, _ in spent),
        each,
    )
