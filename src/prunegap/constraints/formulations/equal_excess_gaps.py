"""Every group's accuracy gap equals the overall one ("Balancing Act", Eq. 14).

measured    psi[g]
surrogate   excess negative-loss gap, whose gradient is that of l_B[g] - L_B
multipliers of either sign, one a group
"""

from prunegap.constraints.formulation import Measured, method
from prunegap.constraints.formulations.excess_accuracy_gaps import ExcessAccuracyGaps
from prunegap.shapes import ConstraintFloats


@method(
    "equal_eag",
    buffers=True,
    summary="Fine-tuning with every group's accuracy gap held equal to the overall gap, with replay buffers.",
)
class EqualExcessGaps(ExcessAccuracyGaps):
    """One equality a group; there is no tolerance, and a group that gains is pulled back too."""

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Excess accuracy gap."""
        return measured.excess_gap

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        """Nowhere: an equality's multiplier is free."""
        return multipliers
