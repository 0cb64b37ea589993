"""The level at which each of several limits of excess gaps may miss so that, together, at most alpha of all do."""

from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from prunegap.uncertainty.counts import Floats, Ints

DRAWS = 200_000
MANY_GROUPS = 60
"""From here on the groups' excess gaps are as good as independent, and Sidak's level is the max-T's to 0.5 %."""


def local_level(examples: Ints, alpha: float) -> float:
    """Return the level a side at which limits of all groups' excess gaps hold together with probability 1 - alpha.

    It is ``1 - Phi(c)`` with c the quantile of max over groups of |Z|, where Z are the standardised excess gaps of
    independent normal means, whose correlation is ``-sqrt(w_g w_h / ((1 - w_g)(1 - w_h)))``. Sidak's level is never
    too large (Sidak 1967), and is taken for many groups.

    Args:
        examples: sizes of the groups, shape (groups,); empty ones and one that holds all examples do not count.
        alpha: probability of any miss.
    """
    sizes = np.sort(examples[(examples > 0) & (examples < examples.sum())])
    if len(sizes) <= 2:
        return alpha / 2  # of two groups one excess gap decides the other
    sidak = (1 - (1 - alpha) ** (1 / len(sizes))) / 2
    if len(sizes) >= MANY_GROUPS:
        return sidak
    return max(sidak, _from_draws(tuple(int(size) for size in sizes), alpha))


def local_levels(examples: Ints, alpha: float) -> Floats:
    """Return the level a side of each set of groups, shape (..., 1) for examples of shape (..., groups)."""
    distinct, back = np.unique(examples.reshape(-1, examples.shape[-1]), axis=0, return_inverse=True)
    levels = np.array([local_level(sizes, alpha) for sizes in distinct])
    return levels[back.reshape(-1)].reshape(*examples.shape[:-1], 1)


@lru_cache(maxsize=64)
def _from_draws(sizes: tuple[int, ...], alpha: float) -> float:
    share: Floats = np.asarray(sizes) / sum(sizes)
    means = np.random.default_rng(0).standard_normal((DRAWS, len(sizes)))
    means -= (means * np.sqrt(share)).sum(axis=1, keepdims=True) * np.sqrt(share)
    largest = (np.abs(means) / np.sqrt(1 - share)).max(axis=1)
    return float(1 - ndtr(np.quantile(largest, 1 - alpha)))


def two_sided_quantile(level: float) -> float:
    """Return the number of standard errors that a level a side stands for."""
    return float(-ndtri(level))
