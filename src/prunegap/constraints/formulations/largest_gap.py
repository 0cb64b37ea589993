"""One constraint: no two groups' accuracy gaps differ by more than the tolerance ("Balancing Act", Eq. 12).

measured    Psi_PW - tolerance, Psi_PW = max over g of gap[g] - min over g of gap[g]
surrogate   the loss gap of the group with the largest gap minus that of the group with the smallest, where the batch
            holds both: of many groups it rarely does, and the constraint goes unheard
multiplier  >= 0
"""

from collections.abc import Sequence

import torch

from prunegap.constraints.formulation import BatchLoss, FormulationSettings, Measured, method
from prunegap.constraints.measures import ACCURACY, Measure
from prunegap.shapes import ConstraintFloats, GroupFloats


@method(
    "max_gap",
    buffers=True,
    summary="Fine-tuning with the largest difference between two groups' accuracy gaps within the tolerance.",
)
class LargestGap:
    """One inequality, about whichever two groups are furthest apart."""

    measures: Measure = ACCURACY

    def __init__(self, settings: FormulationSettings) -> None:
        self._tolerance = settings.tolerance
        self._furthest = torch.zeros(2, dtype=torch.int64)

    def names(self, group_names: Sequence[str]) -> Sequence[str]:  # noqa: ARG002
        """The one constraint."""
        return ["largest difference"]

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Largest difference of two gaps above the tolerance; NaN until two groups are observed."""
        gap = measured.gap
        unknown = gap.isnan()
        worst, best = gap.masked_fill(unknown, -torch.inf).argmax(), gap.masked_fill(unknown, torch.inf).argmin()
        self._furthest = torch.stack([worst, best])
        difference = (gap[worst] - gap[best]).masked_fill((~unknown).sum() < 2, torch.nan)
        return (difference - self._tolerance)[None]

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:
        """The multiplier for the one group, its opposite for the other, if the batch holds both."""
        sign = torch.tensor([1.0, -1.0], dtype=multipliers.dtype, device=multipliers.device)
        both = batch.present[self._furthest].all()
        return torch.zeros_like(batch.group).index_add(0, self._furthest, sign * multipliers * both)

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        """Onto [0, inf)."""
        return multipliers.clamp(min=0)
