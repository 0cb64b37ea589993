"""How a network is trained: SGD with step-size milestones over all epochs of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Recipe:
    """Settings of the primal side ("Balancing Act", Tables of appendix C).

    Attributes:
        epochs: all epochs of the run (for a sparse model GMP and fine-tuning together).
        batch_size: examples a training batch.
        learning_rate: initial step size of SGD.
        momentum: momentum of SGD.
        nesterov: Nesterov's form of momentum.
        weight_decay: L2 weight decay of the optimizer, on all parameters.
        milestones: fractions of all epochs; from the start of epoch ``int(fraction * epochs)`` on the step
            size is multiplied by ``gamma`` once more.
        gamma: factor at each milestone.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    milestones: Sequence[float] = (0.6, 0.8, 0.9)
    gamma: float = 0.1

    def learning_rate_at(self, epoch: int) -> float:
        """Step size in force during ``epoch``."""
        passed = sum(epoch >= int(fraction * self.epochs) for fraction in self.milestones)
        return self.learning_rate * self.gamma**passed

    def optimizer(self, model: nn.Module) -> torch.optim.SGD:
        """Return a fresh optimizer over all parameters."""
        return torch.optim.SGD(
            model.parameters(),
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            foreach=True,
        )
