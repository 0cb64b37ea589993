"""Every group's accuracy gap is within the tolerance of the overall one, either way ("Balancing Act", Eq. 15).

measured    |psi[g]| - tolerance
surrogate   excess negative-loss gap with the sign of the measured psi[g]
multipliers >= 0, one a group
"""

from prunegap.constraints.formulation import BatchLoss, FormulationSettings, Measured, method
from prunegap.constraints.formulations.excess_accuracy_gaps import ExcessAccuracyGaps
from prunegap.shapes import ConstraintFloats, GroupFloats


@method(
    "approx_equal_eag",
    buffers=True,
    summary="Fine-tuning with every group's accuracy gap within the tolerance of the overall gap, above or below.",
)
class BoundedExcessGaps(ExcessAccuracyGaps):
    """One inequality a group, about the size of its excess gap; its multiplier serves both sides."""

    def __init__(self, settings: FormulationSettings) -> None:
        super().__init__(settings)
        self._side: GroupFloats | None = None

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Size of the excess accuracy gap above the tolerance."""
        self._side = measured.excess_gap.nan_to_num().sign()
        return measured.excess_gap.abs() - self._tolerance

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:  # noqa: ARG002
        """The multipliers with the sign of the measured excess gap."""
        assert self._side is not None, "a step measures before it weighs"
        return multipliers * self._side
