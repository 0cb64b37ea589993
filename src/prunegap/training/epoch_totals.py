"""What an epoch's batches add up to."""

import torch
from torch import Tensor

from prunegap.constraints.formulation import DenseReference


class EpochTotals:
    """Running sums of an epoch, on the device until they are asked for."""

    def __init__(self, num_groups: int, device: torch.device) -> None:
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, correct, examples, negative weights
        self._group = torch.zeros(2, num_groups, dtype=torch.float64, device=device)  # correct, examples

    def add(self, loss: Tensor, correct: Tensor, weights: Tensor | None, groups: Tensor) -> None:
        """Add one batch."""
        hits = correct.double()
        negative = hits.new_zeros(()) if weights is None else (weights < 0).sum()
        self._sums += torch.stack([loss.double().sum(), hits.sum(), hits.new_full((), len(hits)), negative.double()])
        if self._group.numel():
            self._group.index_add_(1, groups, torch.stack([hits, torch.ones_like(hits)]))

    def mean_loss(self) -> float:
        """Mean loss over the epoch's batches, in nats."""
        return float(self._sums[0] / self._sums[2])

    def accuracy(self) -> float:
        """Share of correct examples over the epoch's batches."""
        return float(self._sums[1] / self._sums[2])

    def negative_share(self) -> float:
        """Share of examples whose loss had a negative weight."""
        return float(self._sums[3] / self._sums[2])

    def group_accuracy(self) -> Tensor:
        """Accuracy per group, NaN for one that did not come."""
        return self._group[0] / self._group[1]

    def excess_gap(self, dense: DenseReference) -> Tensor:
        """Excess accuracy gap per group against the dense model, NaN for a group that did not come."""
        overall = (dense.group_accuracy.nan_to_num() * dense.group_count).sum() / dense.group_count.sum()
        return dense.group_accuracy - self.group_accuracy() - (overall - self._sums[1] / self._sums[2])
