"""Replay buffers: the last k measurements of every group, as one ring tensor."""

import torch
from torch import Tensor

from prunegap.shapes import ExampleFloats, ExampleInts, GroupFloats


class ReplayBuffers:
    """The last ``capacity`` values pushed for each group ("Balancing Act", Algorithm 1).

    One tensor of shape (groups, capacity + 1): the extra slot takes what a batch pushes out again at once,
    so that a push needs no compaction and thus no host synchronisation.
    """

    def __init__(self, num_groups: int, capacity: int, *, dtype: torch.dtype, device: torch.device) -> None:
        self.capacity = capacity
        self.values = torch.zeros(num_groups, capacity + 1, dtype=dtype, device=device)
        self.pushed = torch.zeros(num_groups, dtype=torch.int64, device=device)

    def push(self, groups: ExampleInts, values: ExampleFloats) -> None:
        """Append ``values`` to the buffers of ``groups`` in batch order; a NaN is no value."""
        nothing = len(self.pushed)
        keys = groups.masked_fill(values.isnan(), nothing)
        order = keys.argsort(stable=True)
        sorted_keys = keys[order]
        counts = self.pushed.new_zeros(nothing + 1).index_add_(0, keys, torch.ones_like(keys))
        first = counts.cumsum(0) - counts
        rank = torch.arange(len(keys), device=keys.device) - first[sorted_keys]
        rows = sorted_keys.clamp(max=nothing - 1)
        slot = (self.pushed[rows] + rank) % self.capacity
        dropped = (rank < counts[sorted_keys] - self.capacity) | (sorted_keys == nothing)
        self.values[rows, slot.masked_fill(dropped, self.capacity)] = values[order].to(self.values.dtype)
        self.pushed += counts[:nothing]

    def means(self) -> GroupFloats:
        """Mean of each full buffer; NaN while a buffer is not full."""
        full = self.pushed >= self.capacity
        return self.values[:, : self.capacity].mean(dim=1).masked_fill(~full, torch.nan)

    def contents(self, group: int) -> Tensor:
        """Values held for ``group``, oldest first."""
        held = min(int(self.pushed[group]), self.capacity)
        start = int(self.pushed[group]) - held
        return self.values[group, [(start + i) % self.capacity for i in range(held)]]

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs."""
        return {"values": self.values, "pushed": self.pushed}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the state of :meth:`state_dict`."""
        self.values.copy_(state["values"])
        self.pushed.copy_(state["pushed"])
