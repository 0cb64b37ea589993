"""A mean over seeds and how people read it: fractions inside, percent and percentage points outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from prunegap.estimate import Quantity, Unit

NO_ESTIMATE = "–"
SCALES: dict[Unit, int] = {"fraction": 100, "nats": 1, "count": 1}
DECIMALS: dict[Unit, int] = {"fraction": 2, "nats": 4, "count": 1}


@dataclass(frozen=True)
class SeedMean:
    """Mean, sample standard deviation (None with one seed) and number of seeds of one figure."""

    mean: float
    sd: float | None
    count: int


def mean_over_seeds(values: Sequence[float]) -> SeedMean:
    """Summarise at least one value, one a seed."""
    return SeedMean(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def mean_of_known(values: Sequence[float | None]) -> SeedMean | None:
    """Summarise the values of the seeds that have an estimate; None if there is none."""
    known = [value for value in values if value is not None]
    return mean_over_seeds(known) if known else None


def unit_text(quantity: Quantity) -> str:
    """Return the unit a quantity is shown in; empty for a count."""
    shown = {"fraction": "points" if quantity.difference else "%", "nats": "nats", "count": ""}
    return shown[quantity.unit]


def figure_text(figure: SeedMean | None, unit: Unit, *, signed: bool = False, with_sd: bool = True) -> str:
    """Write a figure as ``mean ± sd``, a fraction in percent (or percentage points); a dash without an estimate."""
    if figure is None:
        return NO_ESTIMATE
    scale, decimals, sign = SCALES[unit], DECIMALS[unit], "+" if signed else ""
    mean = f"{scale * figure.mean:{sign}z.{decimals}f}"
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
