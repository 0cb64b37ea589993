"""Every pair of groups: neither accuracy gap exceeds the other by more than the tolerance ("Balancing Act", Eq. 13).

measured    gap[g] - gap[h] - tolerance for each of the G (G - 1) ordered pairs
surrogate   the difference of the two loss gaps, of pairs that the batch holds both groups of
multipliers >= 0, one an ordered pair
"""

from collections.abc import Sequence

from prunegap.constraints.formulation import BatchLoss, FormulationSettings, Measured, method
from prunegap.constraints.measures import ACCURACY, Measure
from prunegap.shapes import ConstraintFloats, GroupFloats, PairFloats


@method(
    "pairwise",
    buffers=True,
    summary="Fine-tuning with no group's accuracy gap above that of any other by more than the tolerance.",
)
class PairwiseGaps:
    """One inequality an ordered pair of groups, the first group's pairs first."""

    measures: Measure = ACCURACY

    def __init__(self, settings: FormulationSettings) -> None:
        self._tolerance = settings.tolerance

    def names(self, group_names: Sequence[str]) -> Sequence[str]:
        """One constraint an ordered pair."""
        return [f"{one} over {other}" for one in group_names for other in group_names if one != other]

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Difference of the two gaps above the tolerance."""
        gap = measured.gap
        return _off_diagonal(gap[:, None] - gap[None, :]) - self._tolerance

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:
        """The multipliers of the pairs in which a group is the first, minus those in which it is the second."""
        pairs = _square(multipliers, len(batch.group)) * (batch.present[:, None] & batch.present[None, :])
        return pairs.sum(dim=1) - pairs.sum(dim=0)

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        """Onto [0, inf)."""
        return multipliers.clamp(min=0)


def _off_diagonal(square: PairFloats) -> ConstraintFloats:
    """Return the entries off the diagonal of a G x G matrix, row by row."""
    count = len(square)
    if count < 2:
        return square.new_zeros(0)
    return square.flatten()[1:].view(count - 1, count + 1)[:, :-1].reshape(-1)


def _square(pairs: ConstraintFloats, count: int) -> PairFloats:
    """Return the G x G matrix with these entries off its diagonal, and zeros on it."""
    square = pairs.new_zeros(count * count)
    if count > 1:
        square[1:].view(count - 1, count + 1)[:, :-1] = pairs.view(count - 1, count)
    return square.view(count, count)
