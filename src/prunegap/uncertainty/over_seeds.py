"""Limits of the mean over seeds of the excess gaps: what other seeds and other images would give.

Images and seeds both vary. Of a group

    V = (image variance of the seeds' mean) + max(own, pooled over groups) seed variance / S

with S seeds, Student's t and Satterthwaite's degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110) from
the f = (S - 1)(G - 1) of the pooled seed variance; that of the images has as many degrees as there are examples. In
those degrees, though not in V, the seed variance counts 1 + 2 / f times, its mean square over its square: where it
comes out small by chance, of few degrees, Satterthwaite's own are too many (.931 instead of .943 of 1,000
repetitions at three seeds and two groups).

All seeds are judged on the same examples, so what they do to them is correlated, and counts do not tell how much. The
image variance of a mean is at most the mean of the seeds' image variances, which is reached where all seeds change the
same examples. Counts alone take that: the limits hold, and are some 1.3 to 1.6 times as wide as they need be where
seeds agree only in part. Who has what every seed does to every example tells how much of that variance the mean keeps.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from prunegap.uncertainty.counts import Floats, Ints, PairedCounts
from prunegap.uncertainty.excess_gaps import Limits, excess_gap_limits
from prunegap.uncertainty.simultaneous import local_levels


def over_seeds(counts: PairedCounts, alpha: float, *, kept: float | Floats = 1.0) -> Limits:
    """Return limits of the mean excess gaps over seeds that hold together with probability 1 - alpha.

    Fewer than five seeds decide little: of three seeds and two groups the seed variance alone takes 4.3 standard
    errors, of five 2.8.

    Args:
        counts: of every seed on the same examples, shape (seeds, groups) or (..., seeds, groups).
        alpha: probability that any limit does not hold, inside (0, 1).
        kept: share of the seeds' image variance that their mean keeps, one for all or shape (..., groups), inside
            (0, 1]: 1 always holds, :func:`kept_image_variance` measures it.

    Returns:
        Limits of shape (groups,) or (..., groups), NaN of an empty group.

    Raises:
        ValueError: fewer than two seeds or two groups, seeds of different examples, or a value out of range.
    """
    _check(counts, alpha, kept)
    sizes, psi = counts.examples[..., 0, :], counts.excess_gap
    level = local_levels(sizes, alpha)
    every = excess_gap_limits(counts, level[..., None])
    seed = _seed_variance(psi, 1 - counts.share[..., 0, :]) / psi.shape[-2]
    freedom = (psi.shape[-2] - 1) * np.maximum((sizes > 0).sum(axis=-1, keepdims=True) - 1, 1)
    quantile, mean = ndtri(level)[..., None], psi.mean(axis=-2)
    # The variance that a seed's own limits stand for, each side's own (as in MOVER).
    below, above = (kept * np.square(one / quantile).mean(axis=-2) for one in (psi - every.low, every.high - psi))
    return Limits(mean - _half_width(below, seed, freedom, level), mean + _half_width(above, seed, freedom, level))


def kept_image_variance(deltas: NDArray[np.integer[Any]], groups: Ints, num_groups: int) -> Floats:
    """Return the share of the seeds' image variance that their mean keeps: 1 / S if nothing is shared, 1 if all is.

    The variance over a group's examples of the mean over seeds, over the mean of the seeds' variances. A group's is at
    least that of all groups together; 1 where nothing varies.

    Args:
        deltas: what every seed does to every example, 1, 0 or -1, shape (..., seeds, examples).
        groups: number of each example's group, from 0, shape (examples,).
        num_groups: number of groups.

    Returns:
        Shape (..., groups).
    """
    parts = [deltas[..., groups == group].astype(float) for group in range(num_groups)]
    of_mean = np.stack([_squares(one.mean(axis=-2)) for one in parts], axis=-1)
    of_each = np.stack([_squares(one).mean(axis=-1) for one in parts], axis=-1)
    together = _share(of_mean.sum(axis=-1, keepdims=True), of_each.sum(axis=-1, keepdims=True), 1.0)
    return np.maximum(_share(of_mean, of_each, 0.0), together)


def _squares(values: Floats) -> Floats:
    return values.var(axis=-1) * values.shape[-1] if values.shape[-1] else np.zeros(values.shape[:-1])


def _share(part: Floats, whole: Floats, unknown: float) -> Floats:
    return np.divide(part, whole, out=np.full_like(whole, unknown), where=whole > 0)


def _check(counts: PairedCounts, alpha: float, kept: float | Floats) -> None:
    shape = counts.examples.shape
    if len(shape) < 2 or shape[-2] < 2:
        raise ValueError(
            f"limits over seeds need counts of 2 seeds or more, shape (seeds, groups), got shape {shape}: train more "
            "seeds, or take simultaneous_limits, which hold for the one model"
        )
    if shape[-1] < 2:
        raise ValueError(f"an excess gap needs two groups or more, got {shape[-1]}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be inside (0, 1), got {alpha}")
    if not ((np.asarray(kept) > 0) & (np.asarray(kept) <= 1)).all():
        raise ValueError(f"kept must be inside (0, 1], got {kept}")
    if (counts.examples != counts.examples[..., :1, :]).any():
        raise ValueError("all seeds must be judged on the same examples, got groups whose size differs between seeds")


def _seed_variance(psi: Floats, weight: Floats) -> Floats:
    """Return each group's variance between seeds, at least what the mean of all groups' would make it.

    Pooled are the variances of ``psi / (1 - w)``, a group's gap minus that of the rest, for psi of a group that holds
    nearly all examples hardly varies.
    """
    own = psi.var(axis=-2, ddof=1)
    apart = np.divide(own, weight**2, out=np.full_like(own, np.nan), where=weight > 0)
    known = ~np.isnan(apart)
    pooled = np.where(known, apart, 0.0).sum(axis=-1, keepdims=True) / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    return np.maximum(own, weight**2 * pooled)


def _half_width(image: Floats, seed: Floats, freedom: Floats, level: Floats) -> Floats:
    weighty = (1 + 2 / freedom) * seed
    degrees = freedom * np.divide(image + weighty, weighty, out=np.full_like(image, np.inf), where=seed > 0) ** 2
    return -stdtrit(degrees, level) * np.sqrt(image + seed)
