"""What a pruning rule is shown: weights and masks, and the model, the training examples and the groups behind them."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunegap.data.augment import ImageFormat
from prunegap.data.batches import Batch
from prunegap.data.grouped import Split
from prunegap.models.modes import evaluation_mode
from prunegap.shapes import ExampleFloats


@dataclass(frozen=True)
class MaskedWeights:
    """What a rule needs that looks at nothing but the weights.

    Attributes:
        weights: prunable weights by parameter name, on one device.
        masks: masks in force (True = kept), same names and shapes.
    """

    weights: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]


@dataclass(frozen=True)
class Seen(MaskedWeights):
    """All that a pruning rule is shown.

    Attributes:
        model: the network the weights belong to, in the middle of its training.
        split: the training examples.
        image_format: how their images become inputs.
        batch_size: examples a training batch.
        group_names: names of the groups, in the order of their indices.
        seed: of the training; all randomness of a rule should follow from it.
        autocast: precision of forward passes, None for that of the weights.
        memory: tensors a rule keeps from one pruning to the next; it goes through checkpoints.
    """

    model: nn.Module
    split: Split
    image_format: ImageFormat
    batch_size: int
    group_names: tuple[str, ...]
    seed: int = 0
    autocast: torch.dtype | None = None
    memory: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def batches(self, group: int | None = None) -> Iterator[Batch]:
        """Yield every training example once, or every one of a group, without augmentation.

        The order is drawn from the seed and the same at every pruning. Batches are as few as ``batch_size`` allows
        and of sizes that differ by at most one, so that no small last batch stands for as much as a full one.
        """
        order = torch.randperm(len(self.split), generator=torch.Generator().manual_seed(self.seed))
        order = order.to(self.split.groups.device)
        if group is not None:
            order = order[self.split.groups[order] == group]
        for index in order.tensor_split(-(-len(order) // self.batch_size) or 1):
            if len(index):
                inputs = self.image_format.inputs(self.split.images[index])
                yield Batch(inputs, self.split.labels[index], self.split.groups[index])

    def losses(self, batch: Batch) -> ExampleFloats:
        """Return the cross-entropy of each example, in the precision that training has."""
        with torch.autocast(batch.inputs.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            logits = self.model(batch.inputs)
        logits = logits if self.autocast is None else logits.float()
        return functional.cross_entropy(logits, batch.labels, reduction="none")

    @contextmanager
    def measuring(self) -> Generator[None]:
        """Put the model into evaluation mode, its weights taking gradients; afterwards all is as it was.

        As it was: modes, which parameters take gradients, buffers, the state of torch's random generators. What
        ``.backward()`` adds to ``.grad`` is not taken back: use ``torch.autograd.grad``.
        """
        takes = {parameter: parameter.requires_grad for parameter in self.model.parameters()}
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        device = self.split.labels.device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.enable_grad(), evaluation_mode(self.model):
            try:
                for weight in self.weights.values():
                    weight.requires_grad_(True)
                yield
            finally:
                for parameter, value in takes.items():
                    parameter.requires_grad_(value)
                with torch.no_grad():
                    for buffer, before in buffers:
                        buffer.copy_(before)
