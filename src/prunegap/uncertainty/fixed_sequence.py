"""The sparsest admissible model of a sweep, without paying for how many were looked at.

Fixed-sequence testing (Maurer, Hothorn and Lehmacher 1995; for the choice of a model: Angelopoulos, Bates, Candes,
Jordan and Lei 2021, "Learn then Test", arXiv 2110.01052): an order that the data did not choose, every model at full
alpha, and an end at the first that is not admitted. A wrong admission takes that of the *first* model in the order that
is truly beyond the tolerance, which has probability alpha at most, whatever the models share.

The order is from the least sparse to the sparsest. From the sparsest down to the first that is admitted would not do:
every model beyond the tolerance that is tried on the way then has a chance of its own to be wrongly admitted.
"""

from collections.abc import Sequence

from prunegap.uncertainty.counts import PairedCounts
from prunegap.uncertainty.verdict import judge


def sparsest_admissible(
    sequence: Sequence[PairedCounts], tolerance: float, alpha: float, *, two_sided: bool = False
) -> int:
    """Return how many models of the sequence are admitted in a row, from the first.

    ``sequence[n - 1]`` is the sparsest admissible one; with 0 there is none. That any of the ``n`` is truly beyond the
    tolerance has probability alpha at most.

    Args:
        sequence: counts of each model, shape (groups,), from the least sparse to the sparsest, in an order set before
            these examples were seen.
        tolerance: of an excess gap, a fraction, at least 0.
        alpha: probability of any wrong admission, inside (0, 1).
        two_sided: whether a group may not gain more than the tolerance either.

    Raises:
        ValueError: no model, or what :func:`~prunegap.uncertainty.verdict.judge` refuses.
    """
    if not sequence:
        raise ValueError("a sequence needs one model or more, got none")
    for admitted, counts in enumerate(sequence):
        if judge(counts, tolerance, alpha=alpha, two_sided=two_sided).word != "admissible":
            return admitted
    return len(sequence)
