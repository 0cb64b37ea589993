"""EL: every group's loss equals the overall loss (Tran et al. 2022, Eq. 8; "Balancing Act", Eq. 10).

measured    m[g] - M, m the mean losses; ``absolute``: |m[g] - M|, as the released configurations do
surrogate   l_B[g] - L_B; ``absolute``: its absolute value, so a coefficient carries the sign of the batch
multipliers any sign; ``absolute``: they only grow from 0
"""

from collections.abc import Sequence

from prunegap.constraints.formulation import BatchLoss, FormulationSettings, Measured, method
from prunegap.constraints.measures import LOSS, Measure
from prunegap.shapes import ConstraintFloats, GroupFloats


@method("el_rb", buffers=True, summary="As el, measured with replay buffers.")
@method(
    "el",
    buffers=False,
    summary="Fine-tuning with every group's loss held equal to the overall loss, measured on the batch.",
)
class EqualizedLoss:
    """One equality a group; there is no tolerance."""

    measures: Measure = LOSS
    needs_dense: bool = False

    def __init__(self, settings: FormulationSettings) -> None:
        self._absolute = settings.equality == "absolute"

    def names(self, group_names: Sequence[str]) -> Sequence[str]:
        """One constraint a group."""
        return group_names

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Difference from the overall loss, in nats."""
        difference = measured.sparse - measured.sparse_overall
        return difference.abs() if self._absolute else difference

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:
        """The multipliers, signed by the batch's own difference when ``absolute``."""
        return multipliers * (batch.group - batch.overall).sign() if self._absolute else multipliers

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        """Nowhere: an equality's multiplier is free (the absolute form only grows by itself)."""
        return multipliers
