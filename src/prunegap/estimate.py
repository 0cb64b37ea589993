"""A number that is shown: what it is (:class:`Quantity`) and what it came to (:class:`Estimate`). No torch here.

Values are fractions, nats or counts; percent and percentage points are made where they are shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["fraction", "nats", "count"]
Place = Literal["table", "plot", "tracking"]
EVERYWHERE: tuple[Place, ...] = ("table", "plot", "tracking")


@dataclass(frozen=True)
class Quantity:
    """What a statistic is.

    Attributes:
        name: column of the CSV files, part of the names of metrics; letters, digits and ``_``.
        unit: ``fraction``, ``nats`` or ``count``.
        description: what it tells, in a sentence or two.
        title: its name where people read; empty: the name with spaces.
        difference: the difference of two such values: a fraction is shown in percentage points, a group's with sign.
        line: overall quantity whose value is a line in this one's bar chart; empty: that of the same name.
        places: where it is shown beside the artifact and the CSV files, which hold every quantity.
        least: it is never below this; None: any value.
        most: it is never above this.
    """

    name: str
    unit: Unit
    description: str
    title: str = ""
    difference: bool = False
    line: str = ""
    places: Sequence[Place] = EVERYWHERE
    least: float | None = None
    most: float | None = None

    @property
    def heading(self) -> str:
        """Its name where people read."""
        return self.title or self.name.replace("_", " ")

    def inside(self, limit: float | None) -> float | None:
        """Return a limit, or the value that it cannot pass."""
        if limit is None:
            return None
        above = limit if self.least is None else max(limit, self.least)
        return above if self.most is None else min(above, self.most)


@dataclass(frozen=True)
class Estimate:
    """A value with its limits; all None where there is no estimate (a group without examples).

    Attributes:
        value: the point estimate.
        low: lower limit, None without one.
        high: upper limit, None without one.
        limits: what the limits mean, e.g. their level; empty without limits.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    limits: str = ""


def joined(tables: Iterable[Sequence[Quantity]]) -> list[Quantity]:
    """Return the quantities of several tables, each name once, in order of first appearance."""
    by_name: dict[str, Quantity] = {}
    for table in tables:
        for quantity in table:
            by_name.setdefault(quantity.name, quantity)
    return list(by_name.values())


def shown_in(place: Place, quantities: Sequence[Quantity]) -> list[Quantity]:
    """Return those of the quantities that are shown in a place."""
    return [quantity for quantity in quantities if place in quantity.places]
