"""One training step: forward, dual step if constrained, backward, optimizer, masks. No host synchronisation."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from prunegap.constraints.dual import DualState
from prunegap.data.batches import Batch
from prunegap.pruning.masks import MaskedParameters
from prunegap.shapes import ExampleBools, ExampleFloats, GroupFloats


@dataclass(frozen=True)
class StepRecord:
    """What one step measured, on the device: per-example losses and correctness before the update."""

    loss: ExampleFloats
    correct: ExampleBools
    weights: ExampleFloats | None


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    masked: MaskedParameters,
    dual: DualState | None,
    batch: Batch,
    *,
    autocast: torch.dtype | None = None,
    group_weights: GroupFloats | None = None,
) -> StepRecord:
    """Update ``model`` on one batch.

    Args:
        model: network in training mode.
        optimizer: its optimizer.
        masked: keeps pruned parameters at zero after the update.
        dual: multipliers and buffers of a constrained method; None for plain training.
        batch: inputs, labels, groups.
        autocast: precision of the forward pass (e.g. ``torch.bfloat16``), None for that of the weights.
        group_weights: of plain training, the weight of each group's examples in the batch mean; None: 1.
    """
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(batch.inputs.device.type, dtype=autocast, enabled=autocast is not None):
        logits = model(batch.inputs)
    loss = functional.cross_entropy(logits if autocast is None else logits.float(), batch.labels, reduction="none")
    detached = loss.detach()
    correct = logits.detach().argmax(dim=1) == batch.labels
    weights = None if group_weights is None else group_weights.to(loss.dtype)[batch.groups] / len(batch.groups)
    if dual is not None:
        weights = dual.step(detached, correct, batch.groups, labels=batch.labels, index=batch.index)
    objective = loss.mean() if weights is None else torch.dot(weights, loss)
    objective.backward()
    optimizer.step()
    masked.apply()
    return StepRecord(detached, correct, weights)
