"""CELG: no group's loss grows by more than the overall loss does and the tolerance ("Balancing Act", Eq. 11).

measured    (l_s[g] - l_d[g]) - (L_s - L_d) - tolerance, in nats
surrogate   itself on the batch, whose gradient is that of l_B[g] - L_B
multipliers >= 0, one a group
"""

from prunegap.constraints.formulation import Measured, method
from prunegap.constraints.formulations.excess_accuracy_gaps import ExcessAccuracyGaps
from prunegap.constraints.measures import LOSS, Measure
from prunegap.shapes import ConstraintFloats


@method(
    "celg",
    buffers=True,
    summary="Fine-tuning with every group's excess loss gap within the tolerance, in nats, with replay buffers.",
)
class ExcessLossGaps(ExcessAccuracyGaps):
    """As with accuracies, of which a loss is the opposite: what is constrained can be followed by its own gradient."""

    measures: Measure = LOSS

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Excess loss gap above the tolerance."""
        return -measured.excess_gap - self._tolerance
