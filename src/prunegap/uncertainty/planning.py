"""Which tolerance can be certified, and how many examples each group needs for it: before training, and after it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri

from prunegap.uncertainty.counts import Floats, Ints, PairedCounts

POWER = 0.8


@dataclass(frozen=True)
class Churn:
    """Share of examples of which one of two models is right and the other wrong.

    Attributes:
        value: as counted.
        low: lower limit.
        high: upper limit: what a cautious plan takes.
        examples: how many were counted.
    """

    value: float
    low: float
    high: float
    examples: int


def churn_between(first: ArrayLike, second: ArrayLike, *, alpha: float = 0.05) -> Churn:
    """Return the churn between two models, with limits (Clopper and Pearson 1934, Biometrika 26:404).

    Of two dense models that differ in their seed alone it is a first estimate, before any pruning, of the churn to
    plan for.

    Args:
        first: whether a model has each example right, shape (examples,).
        second: whether the other one has.
        alpha: probability that the limits miss, half of it a side.

    Raises:
        ValueError: no examples, arrays of different shapes, or alpha out of range.
    """
    one, other = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise ValueError(f"first and second must be of the same examples, one or more, got {one.shape}, {other.shape}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be inside (0, 1), got {alpha}")
    n, changed = len(one), int((one != other).sum())
    low = float(betaincinv(changed, n - changed + 1, alpha / 2)) if changed else 0.0
    high = float(betaincinv(changed + 1, n - changed, 1 - alpha / 2)) if changed < n else 1.0
    return Churn(changed / n, low, high, n)


def examples_for(tolerance: float, churn: float, num_groups: int, *, alpha: float = 0.05) -> int:
    """Return the examples of each group with which all groups pass with probability 0.8, if none is hurt.

    ``n = ((z_alpha + z_(0.2 / G)) / tolerance)^2 churn``.

    Raises:
        ValueError: a tolerance or churn out of range.
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance must be > 0 to plan for, got {tolerance}")
    if not 0 < churn <= 1:
        raise ValueError(f"churn must be inside (0, 1], got {churn}")
    return math.ceil((_quantiles(num_groups, alpha) / tolerance) ** 2 * churn)


def tolerances_for(examples: Ints, churn: float, *, alpha: float = 0.05) -> Floats:
    """Return the smallest tolerance that each group's size can certify (the inverse); infinite for an empty group."""
    with np.errstate(divide="ignore"):
        return _quantiles(len(examples), alpha) * np.sqrt(churn / examples)


def examples_needed(
    counts: PairedCounts, excess_gap: Floats, tolerance: float, alpha: float, num_groups: int
) -> Floats:
    """Return how many examples each group must have for its upper limit to come below the tolerance (power 0.8).

    ``((z_alpha + z_(0.2 / G)) / (tolerance - psi))^2 (churn - gap^2)``.
    """
    distance = tolerance - excess_gap
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.ceil((_quantiles(num_groups, alpha) / distance) ** 2 * (counts.churn - counts.gap**2))
    return np.where(distance > 0, needed, np.inf)


def _quantiles(num_groups: int, alpha: float) -> float:
    return float(-ndtri(alpha) - ndtri((1 - POWER) / num_groups))
