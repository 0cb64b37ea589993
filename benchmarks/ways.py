"""Ways to train, a step at a time: the bare one, and ours as the epoch loop takes it."""

from collections.abc import Iterator
from itertools import count

import torch
from torch import nn
from torch.nn import functional

from prunegap.data.augment import Augmentation
from prunegap.data.batches import Batch, training_batches
from prunegap.data.grouped import Split
from prunegap.pruning.masks import MaskedParameters
from prunegap.training.epoch_totals import EpochTotals
from prunegap.training.run import TrainingPlan
from prunegap.training.state import TrainingState
from prunegap.training.step import train_step


class BareTraining:
    """The bare step; its batches are ready before the clock starts."""

    def __init__(self, state: TrainingState, plan: TrainingPlan, split: Split) -> None:
        self._state, self._autocast = state, plan.autocast
        self._batches = endless_batches(split, plan)
        self._ready: list[Batch] = []

    def prepare(self, steps: int) -> None:
        """Normalise the next batches, outside the clock."""
        self._ready = [next(self._batches) for _ in range(steps)]

    def step(self) -> None:
        """Train on one batch."""
        bare_step(self._state.model, self._state.optimizer, self._ready.pop(0), self._autocast)


class FineTuning:
    """One step of the epoch loop, the preparation of its batch included."""

    def __init__(self, state: TrainingState, plan: TrainingPlan, split: Split) -> None:
        self._state, self._autocast = state, plan.autocast
        self._batches: Iterator[Batch] = endless_batches(split, plan)
        self._masked = MaskedParameters(state.model, state.masks)
        self._totals = EpochTotals(len(plan.group_names), split.labels.device)

    def prepare(self, steps: int) -> None:
        """Nothing is prepared: fine-tuning pays for its batches."""

    def step(self) -> None:
        """Train on one batch and note what the loop notes."""
        batch, state = next(self._batches), self._state
        record = train_step(state.model, state.optimizer, self._masked, state.dual, batch, autocast=self._autocast)
        self._totals.add(record.loss, record.correct, record.weights, batch.groups)
        if state.dual is not None and state.tracer is not None:
            state.tracer.record(state.dual)


def bare_step(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, batch: Batch, autocast: torch.dtype | None = None
) -> None:
    """Take the least a training step can be: forward, backward, optimizer step; no masks, no records.

    Without an optimizer it ends after the backward pass.
    """
    model.zero_grad(set_to_none=True)
    with torch.autocast(batch.inputs.device.type, dtype=autocast, enabled=autocast is not None):
        logits = model(batch.inputs)
    functional.cross_entropy(logits if autocast is None else logits.float(), batch.labels).backward()
    if optimizer is not None:
        optimizer.step()


def endless_batches(split: Split, plan: TrainingPlan) -> Iterator[Batch]:
    """Yield epoch after epoch of whole batches, shuffled and normalised: the same ones for every way to train."""
    for epoch in count():
        for batch in shuffled_epoch(split, plan, epoch):
            if len(batch.labels) == plan.recipe.batch_size:
                yield batch


def shuffled_epoch(split: Split, plan: TrainingPlan, epoch: int = 0) -> Iterator[Batch]:
    """Yield the batches of one epoch."""
    size = plan.recipe.batch_size
    return training_batches(split, plan.image_format, Augmentation(), batch_size=size, seed=0, epoch=epoch)
