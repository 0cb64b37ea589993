"""No group's accuracy gap is more than the tolerance above or below the overall one ("Balancing Act", Eqs. 16-18).

measured    psi[g] - tolerance for every group, then -psi[g] - tolerance for every group
surrogate   excess negative-loss gap and its opposite, whose gradients are those of l_B[g] - L_B and its opposite
multipliers >= 0, two a group
"""

from collections.abc import Sequence

import torch

from prunegap.constraints.formulation import BatchLoss, Measured, method
from prunegap.constraints.formulations.excess_accuracy_gaps import ExcessAccuracyGaps
from prunegap.shapes import ConstraintFloats, GroupFloats


@method(
    "two_sided_eag",
    buffers=True,
    summary="As approx_equal_eag, with a multiplier for each of the two sides.",
)
class TwoSidedExcessGaps(ExcessAccuracyGaps):
    """Two inequalities a group: all groups above, then all groups below."""

    def names(self, group_names: Sequence[str]) -> Sequence[str]:
        """Two constraints a group."""
        return [*(f"{name} above" for name in group_names), *(f"{name} below" for name in group_names)]

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Excess accuracy gap, and its opposite, above the tolerance."""
        return torch.cat([measured.excess_gap, -measured.excess_gap]) - self._tolerance

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:  # noqa: ARG002
        """The multiplier above minus that below."""
        above, below = multipliers.chunk(2)
        return above - below
