"""Which tolerance can be certified, and how many examples each group needs for it: before training, and after it."""

import math

import numpy as np
from scipy.special import ndtri

from prunegap.uncertainty.counts import Floats, Ints, PairedCounts

POWER = 0.8


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
