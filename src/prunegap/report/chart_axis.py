"""The axis that the panels of an interval chart share: which values it spans, where they lie, what is written at it."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

STEPS = (1, 2, 5, 10)
MARGIN = 0.04
"""Share of a panel's width that lies beyond its smallest and its largest value."""


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` to ``high`` (fractions) over a panel's width, and those that are written at it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Return where a value lies: 0 at the left end, 1 at the right one; one beyond an end lies at it."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def beyond(self, value: float) -> bool:
        """Return whether a value is not on the axis."""
        return not self.low <= value <= self.high


def axis_of(values: Iterable[float], most_ticks: int) -> Axis:
    """Return the axis on which values lie, and 0, with a margin and a few round ticks."""
    known = [0.0, *values]
    low, high = min(known), max(known)
    high = high if high > low else low + 0.01
    span = high - low
    step = _round_step(span / max(most_ticks - 1, 1))
    ticks = tuple(step * at for at in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1))
    return Axis(low - MARGIN * span, high + MARGIN * span, ticks)


def tick_text(value: float) -> str:
    """Write a tick in points, with sign and without trailing zeros."""
    return f"{100 * value:+z.6g}" if round(value, 12) else "0"


def _round_step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in STEPS if factor * power >= least * (1 - 1e-9))
