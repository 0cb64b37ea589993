"""Confidence limits of an accuracy gap from three counts: mid-P exact for small groups, Tango's score for large ones.

The exact distribution of T = lost - gained is that of a trinomial sample of which only mu = P(lost) - P(gained) is of
interest; the nuisance q = P(gained) is set to its maximum-likelihood estimate under mu (Tango 1998, Statistics in
Medicine 17:891; an exact tail with it: Tang, Tang and Chan 2003, Statistics in Medicine 22:1217).
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import elementwise
from scipy.special import bdtr, gammaln, ndtri, xlog1py, xlogy

from prunegap.uncertainty.counts import Floats, Ints, PairedCounts

EXACT_UP_TO = 200
"""Examples of a group up to which its limits are exact; above, the score's are within a hundredth of them."""
NEGLIGIBLE = 1e-18
"""Probability of a number of changed examples below which it adds nothing to a tail."""


def constrained_gained(counts: PairedCounts, mu: Floats) -> Floats:
    """Return the maximum-likelihood estimate of P(gained) where P(lost) - P(gained) is ``mu``.

    It is the larger root of ``2 n q^2 - [(lost + gained)(1 - mu) - 2 mu (n - lost)] q - gained mu (1 - mu) = 0``.
    """
    n, lost, gained = (one.astype(float) for one in (counts.examples, counts.lost, counts.gained))
    b = (lost + gained) * (1 - mu) - 2 * mu * (n - lost)
    c = gained * mu * (1 - mu)
    root = np.sqrt(np.maximum(b * b + 8 * n * c, 0.0))
    # The larger root, in the form that does not cancel.
    q = np.where(b >= 0, b + root, np.divide(8 * n * c, root - b, out=np.zeros_like(b), where=root > b)) / (4 * n)
    return np.clip(q, np.maximum(0.0, -mu), (1 - mu) / 2)


def tail(examples: Ints, t: Ints, lost: Floats, gained: Floats, *, mid_p: bool = True) -> Floats:
    """Return P(T <= t), minus half of P(T = t) with mid-P, of T = lost - gained in a trinomial sample.

    Args:
        examples: sizes of the samples, shape (samples,).
        t: the observed differences.
        lost: P(lost) of one example.
        gained: P(gained) of one example.
        mid_p: whether the observed value itself counts half.
    """
    most = int(examples.max(initial=0))
    changed = np.arange(most + 1)[None, :]
    n, t, churn = examples[:, None], t[:, None], np.clip(lost + gained, 0.0, 1.0)[:, None]
    share = np.divide(lost[:, None], churn, out=np.full_like(churn, 0.5), where=churn > 0)
    inside = changed <= n
    log_size = gammaln(n + 1) - gammaln(changed + 1) - gammaln(np.where(inside, n - changed, 0) + 1)
    log_size += xlogy(changed, churn) + xlog1py(np.where(inside, n - changed, 0), -churn)
    size = np.where(inside, np.exp(log_size), 0.0)
    row, of = np.nonzero(size > NEGLIGIBLE)
    difference, part = t[row, 0], share[row, 0]
    below = _at_most((difference + of) // 2, of, part)
    if mid_p:  # T and the number of changed examples are odd together or even together
        below = (below + _at_most((difference + of - 1) // 2, of, part)) / 2
    return np.asarray(np.bincount(row, weights=size[row, of] * below, minlength=len(size)), dtype=float)


def _at_most(k: Ints, of: Ints, share: Floats) -> Floats:
    """Return P(lost <= k) among ``of`` changed examples."""
    middle = (k >= 0) & (k < of)
    inner = bdtr(np.where(middle, k, 0), np.where(middle, of, 1), share)
    return np.where(middle, inner, (k >= of).astype(float))


def upper_limit(counts: PairedCounts, level: float | Floats, *, mid_p: bool = True) -> Floats:
    """Return the one-sided upper limit of every group's gap, NaN of an empty group.

    Args:
        counts: of the groups, of any shape.
        level: probability that the limit lies below the gap, one for all or shaped to go with the counts.
        mid_p: False takes the exact tail without mid-P: never too narrow, some per cent wider.
    """
    shape = counts.examples.shape
    levels = np.broadcast_to(np.asarray(level, dtype=float), shape).reshape(-1)
    flat = PairedCounts(*(one.reshape(-1) for one in (counts.examples, counts.lost, counts.gained)))
    # Groups of equal counts have equal limits.
    rows = np.stack([flat.examples, flat.lost, flat.gained, levels.copy().view(np.int64)], axis=1)
    _, first, back = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    own, at = flat[first], levels[first]
    found = np.full(len(first), np.nan)
    small = own.examples <= EXACT_UP_TO
    for chosen, solve in ((small & (own.examples > 0), _exact), (~small, _score)):
        if chosen.any():
            found[chosen] = solve(own[chosen], at[chosen], mid_p)
    return found[back.reshape(-1)].reshape(shape)


def lower_limit(counts: PairedCounts, level: float | Floats, *, mid_p: bool = True) -> Floats:
    """Return the one-sided lower limit: minus the upper one with lost and gained exchanged."""
    return -upper_limit(counts.swapped, level, mid_p=mid_p)


def _exact(counts: PairedCounts, level: Floats, mid_p: bool) -> Floats:
    t = counts.lost - counts.gained

    def excess(mu: Floats, chosen: Ints) -> Floats:
        own = counts[chosen]
        gained = constrained_gained(own, mu)
        return tail(own.examples, t[chosen], gained + mu, gained, mid_p=mid_p) - level[chosen]

    return _last_above_zero(excess, counts.gap, len(t))


def _score(counts: PairedCounts, level: Floats, mid_p: bool) -> Floats:
    del mid_p
    quantile, n, t = -ndtri(level), counts.examples.astype(float), (counts.lost - counts.gained).astype(float)

    def excess(mu: Floats, chosen: Ints) -> Floats:
        gained = constrained_gained(counts[chosen], mu)
        variance = n[chosen] * np.maximum(2 * gained + mu * (1 - mu), 0.0)
        return quantile[chosen] * np.sqrt(variance) - (n[chosen] * mu - t[chosen])

    return _last_above_zero(excess, counts.gap, len(t))


def _last_above_zero(excess: Callable[[Floats, Ints], Floats], point: Floats, size: int) -> Floats:
    """Return for each group the gap at which ``excess`` goes below zero, from the observed gap up to 1."""
    every = np.arange(size)
    # Just above the gap itself, where a sample without variance has its other root.
    first = np.minimum(point + 1e-9, 1.0)
    already = excess(first, every) <= 0  # at levels of half and more
    limits = np.where(already, point, 1.0)
    inside = every[(excess(np.ones(size), every) < 0) & ~already]
    if len(inside):
        found = elementwise.find_root(
            excess,
            (first[inside], np.ones(len(inside))),
            args=(inside,),
            tolerances={"xatol": 1e-9, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0},
        )
        limits[inside] = found.x
    return limits
