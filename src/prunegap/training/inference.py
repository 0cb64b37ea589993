"""What a model does with each example of a split, in evaluation mode."""

import torch
from torch import nn
from torch.nn import functional

from prunegap.data.augment import ImageFormat
from prunegap.data.batches import evaluation_batches
from prunegap.data.grouped import Split
from prunegap.gaps import Outcomes
from prunegap.models.modes import evaluation_mode


@torch.no_grad()
def outcomes_of(
    model: nn.Module,
    split: Split,
    image_format: ImageFormat,
    *,
    batch_size: int = 512,
    autocast: torch.dtype | None = None,
) -> Outcomes:
    """Run ``model`` over ``split`` without augmentation and leave each of its modules in the mode it was in."""
    # One tensor for all batches: a small one kept of each would pin freed memory between them, and a run would grow.
    predicted = torch.empty_like(split.labels)
    losses = torch.empty(len(split), device=split.labels.device)
    end = 0
    with evaluation_mode(model):
        for batch in evaluation_batches(split, image_format, batch_size=batch_size):
            with torch.autocast(batch.inputs.device.type, dtype=autocast, enabled=autocast is not None):
                logits = model(batch.inputs)
            logits = logits if autocast is None else logits.float()
            start, end = end, end + len(batch.labels)
            losses = losses.to(logits.dtype)
            losses[start:end] = functional.cross_entropy(logits, batch.labels, reduction="none")
            predicted[start:end] = logits.argmax(dim=1)
    return Outcomes(predicted, losses, predicted == split.labels)
