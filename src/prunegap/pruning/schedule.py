"""How sparse at which epoch: gradual magnitude pruning, and one-shot pruning as its shortest form."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PruningSchedule:
    """The cubic schedule of Zhu & Gupta (2017), "Balancing Act" Eq. 19.

    Pruning happens at the start of epochs ``start``, ``start + every``, ..., and at ``end`` in any case; from
    ``end`` on the sparsity is final. ``start == end`` prunes once (Tran et al. 2022).

    Attributes:
        final_sparsity: share of prunable weights that are zero from epoch ``end`` on, in [0, 1).
        start: first epoch that prunes (t0 in the paper).
        end: epoch whose start brings the final sparsity (T in the paper).
        every: epochs between two prunings.
        initial_sparsity: share pruned at ``start`` (s_0 in the paper).
    """

    final_sparsity: float
    end: int
    start: int = 0
    every: int = 1
    initial_sparsity: float = 0.0

    def sparsity(self, epoch: int) -> float:
        """Scheduled sparsity during ``epoch``."""
        if epoch >= self.end:
            return self.final_sparsity
        if epoch <= self.start:
            return self.initial_sparsity
        remaining = 1 - (epoch - self.start) / (self.end - self.start)
        return self.final_sparsity + (self.initial_sparsity - self.final_sparsity) * remaining**3

    def prunes_at(self, epoch: int) -> bool:
        """Whether weights are removed at the start of ``epoch``."""
        if epoch == self.end:
            return True
        return self.start <= epoch < self.end and (epoch - self.start) % self.every == 0
