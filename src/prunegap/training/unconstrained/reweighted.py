"""Every group counts alike: the plain mean of the groups' losses over the training set.

    min (1 / G) sum_g L[g] = mean over train of a[g_i] * loss_i,    a[g] = n / (G n_g)

A batch takes a[g_i] * loss_i's plain mean, so that its expected gradient is that of the problem whichever groups it
holds; weights that a batch scaled to its own groups would let a rare group count for less.
"""

from prunegap.shapes import GroupFloats, GroupInts
from prunegap.training.methods import Method


def inverse_to_share(counts: GroupInts) -> GroupFloats:
    """Return n / (G n_g), of G groups with examples; 0 for a group without."""
    weights = counts.sum() / ((counts > 0).sum() * counts.clamp(min=1).float())
    return weights * (counts > 0)


REWEIGHTED = Method(
    "reweighted",
    summary="Fine-tuning with every group counting alike, its examples weighted inversely to its share of train.",
    group_weights=inverse_to_share,
)
