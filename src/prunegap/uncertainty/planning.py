"""Before anything is trained: which tolerance can be certified, and how many examples each group needs for it."""

import math

import numpy as np
from scipy.special import ndtri

from prunegap.uncertainty.counts import Floats, Ints
from prunegap.uncertainty.verdict import POWER


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


def _quantiles(num_groups: int, alpha: float) -> float:
    return float(-ndtri(alpha) - ndtri((1 - POWER) / num_groups))
