"""CEAG: no group's accuracy gap exceeds the overall gap by more than the tolerance ("Balancing Act", Eq. 5).

measured    psi[g] - tolerance = (acc_d[g] - acc_s[g]) - (acc_d - acc_s) - tolerance
surrogate   excess negative-loss gap (l_B[g] - l_d[g]) - (L_B - L_d), whose gradient is that of l_B[g] - L_B
multipliers >= 0, one a group
"""

from collections.abc import Sequence

from prunegap.constraints.formulation import BatchLoss, FormulationSettings, Measured, method
from prunegap.constraints.measures import ACCURACY, Measure
from prunegap.shapes import ConstraintFloats, GroupFloats


@method(
    "ceag",
    buffers=True,
    summary="Fine-tuning with every group's excess accuracy gap within the tolerance, with replay buffers.",
)
@method("ceag_no_rb", buffers=False, summary="As ceag, measured on the batch alone.")
class ExcessAccuracyGaps:
    """One inequality a group."""

    measures: Measure = ACCURACY
    needs_dense: bool = True

    def __init__(self, settings: FormulationSettings) -> None:
        self._tolerance = settings.tolerance

    def names(self, group_names: Sequence[str]) -> Sequence[str]:
        """One constraint a group."""
        return group_names

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Excess accuracy gap above the tolerance."""
        return measured.excess_gap - self._tolerance

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:  # noqa: ARG002
        """The multipliers themselves."""
        return multipliers

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        """Onto [0, inf)."""
        return multipliers.clamp(min=0)
