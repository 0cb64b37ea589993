"""A mean over seeds and how people read it: fractions inside, percent and percentage points outside."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import hypot, sqrt
from statistics import fmean, stdev

from prunegap.estimate import Estimate, Quantity, Unit

NO_ESTIMATE = "–"
SCALES: dict[Unit, int] = {"fraction": 100, "nats": 1, "count": 1}
DECIMALS: dict[Unit, int] = {"fraction": 2, "nats": 4, "count": 1}


@dataclass(frozen=True)
class SeedMean:
    """One figure over seeds.

    Attributes:
        mean: over the seeds.
        sd: sample standard deviation, None with one seed.
        count: number of seeds.
        low: lower limit of the mean, over seeds and examples; None without one.
        high: upper limit likewise.
    """

    mean: float
    sd: float | None
    count: int
    low: float | None = None
    high: float | None = None


def mean_over_seeds(values: Sequence[float]) -> SeedMean:
    """Summarise at least one value, one a seed."""
    return SeedMean(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def mean_of_known(quantity: Quantity, estimates: Sequence[Estimate]) -> SeedMean | None:
    """Summarise the estimates of the seeds that have a value; None if there is none.

    The limits of the mean join what the examples leave open, which all seeds share, and what the seeds do: by MOVER,
    the mean distance of the seeds' own limits and Student's limits of the mean of their values.
    """
    known = [one for one in estimates if one.value is not None]
    if not known:
        return None
    figure = mean_over_seeds([one.value or 0.0 for one in known])
    if any(one.high is None for one in known):
        return figure
    seeds = 0.0 if figure.sd is None else _student(figure.count) * figure.sd / sqrt(figure.count)
    above = fmean((one.high or 0.0) - (one.value or 0.0) for one in known)
    low = None
    if all(one.low is not None for one in known):
        low = figure.mean - hypot(fmean((one.value or 0.0) - (one.low or 0.0) for one in known), seeds)
    return replace(figure, low=quantity.inside(low), high=quantity.inside(figure.mean + hypot(above, seeds)))


@cache
def _student(seeds: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(seeds - 1, 0.975))


def unit_text(quantity: Quantity) -> str:
    """Return the unit a quantity is shown in; empty for a count."""
    shown = {"fraction": "points" if quantity.difference else "%", "nats": "nats", "count": ""}
    return shown[quantity.unit]


def figure_text(
    figure: SeedMean | None, unit: Unit, *, signed: bool = False, with_sd: bool = True, with_limits: bool = False
) -> str:
    """Write a figure as ``mean [low, high]``, else as ``mean ± sd``; a dash without an estimate.

    A fraction is written in percent (or percentage points).
    """
    if figure is None:
        return NO_ESTIMATE
    scale, decimals, sign = SCALES[unit], DECIMALS[unit], "+" if signed else ""
    mean = f"{scale * figure.mean:{sign}z.{decimals}f}"
    if with_limits and figure.low is not None and figure.high is not None:
        form = f"z.{max(decimals - 1, 0)}f"
        low, high = (f"{scale * limit:{form}}" for limit in (figure.low, figure.high))
        return f"{scale * figure.mean:{sign}{form}} [{low}, {high}]"
    return mean if figure.sd is None or not with_sd else f"{mean} ± {scale * figure.sd:.{decimals}f}"


def percent_text(figure: SeedMean | None, *, with_sd: bool = True) -> str:
    """Write a fraction in percent (or percentage points) as ``mean ± sd``; a dash without an estimate."""
    return figure_text(figure, "fraction", with_sd=with_sd)


def plain_percent(fraction: float) -> str:
    """Write a chosen fraction (a sparsity, a tolerance) in percent without trailing zeros."""
    return f"{100 * fraction:.6g}"


def duration_text(seconds: SeedMean, *, with_sd: bool = True) -> str:
    """Write a wall-clock time in seconds as ``mean ± sd``, with a decimal below 100 seconds."""
    decimals = 0 if seconds.mean >= 100 else 1
    mean = f"{seconds.mean:.{decimals}f}"
    return mean if seconds.sd is None or not with_sd else f"{mean} ± {seconds.sd:.{decimals}f}"


def in_points(fraction: float) -> str:
    """Write a fraction as a phrase, ``1 point`` or ``0.25 points``."""
    text = plain_percent(fraction)
    return f"{text} point" if text == "1" else f"{text} points"
