"""A picture of figures with their intervals, a row a group: dots, lines, a tolerance, and what chance alone makes.

It is SVG for the inside of a page: it fills the width it is given, its letters keep their size (positions are
percentages, heights are pixels), and its colours are classes of ``templates/interval_chart.css``, dark ones in a dark
page. Several panels share rows and axis: methods side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from prunegap.report.chart_axis import Axis, axis_of, tick_text
from prunegap.report.plain_names import legal, shortened

Mark = Literal["within", "above", "open"]
SHAPES: dict[Mark, str] = {"within": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", "above": "M0-7 6.5 5h-13z",
                           "open": "M0-6.5 6.5 0 0 6.5-6.5 0z"}  # fmt: skip
ROW, HEAD, TITLE, FOOT = 38, 20, 20, 38
NAME_COLUMNS = 30
NAME_WIDTH = "58%"
GUTTER = 2.0
"""Percent of the width between two panels."""
FITTING = 2
"""Panels that fit on a telephone; more have a least width, and whoever shows them lets them scroll."""
MANY = 12
"""Rows above which the axis is written at the top too."""


@dataclass(frozen=True)
class Row:
    """One group in one panel; values are fractions.

    Attributes:
        name: of the group; the same in every panel.
        examples: how many it has.
        value: its figure, None without an estimate.
        low: lower end of the interval, None where there is none.
        high: upper end.
        mark: what is shown of it, a shape and a colour.
        small: whether it has too few examples for its figure to say much: drawn pale, and said.
        limit: the one limit that decides, a tick on the interval.
    """

    name: str
    examples: int
    value: float | None
    low: float | None
    high: float | None
    mark: Mark
    small: bool = False
    limit: float | None = None


@dataclass(frozen=True)
class Panel:
    """Rows beside each other's panels.

    Attributes:
        rows: in the order in which they are drawn.
        title: above the panel; empty: none.
        tolerance: a line, None without one.
        two_sided: whether there is a line at minus the tolerance too.
        floor: from where to where chance alone makes the largest figure, a band.
    """

    rows: Sequence[Row]
    title: str = ""
    tolerance: float | None = None
    two_sided: bool = False
    floor: tuple[float, float] | None = None

    def lines(self) -> list[float]:
        """Return where the tolerance lies."""
        if self.tolerance is None:
            return []
        return [self.tolerance, -self.tolerance] if self.two_sided else [self.tolerance]


@dataclass(frozen=True)
class _Place:
    """Where a panel lies in the picture, in percent of its width, and the rows in pixels of its height."""

    left: float
    width: float
    axis: Axis
    top: int
    bottom: int
    ticks_above: bool

    def x(self, value: float) -> str:
        return f"{self.left + self.width * self.axis.share(value):.3f}%"


def interval_chart(panels: Sequence[Panel], *, title: str, description: str, anchor: str) -> str:
    """Draw panels of intervals.

    Args:
        panels: at least one; the first one's rows give the order, a row that it lacks comes after.
        title: what the picture shows, for those who do not see it.
        description: what it says, likewise.
        anchor: prefix of the picture's ids, unique in its page.

    Returns:
        An ``<svg>`` element.

    Raises:
        ValueError: no panel, or panels without a row.
    """
    shared: dict[str, Row] = {}
    for panel in panels:
        for row in panel.rows:
            shared.setdefault(row.name, row)
    if not shared:
        raise ValueError("an interval chart needs a panel with a row")
    many = len(shared) > MANY
    top = (TITLE if any(panel.title for panel in panels) else 0) + (HEAD if many else 0)
    bottom = top + ROW * len(shared)
    root = _root(bottom + FOOT, title, description, anchor)
    if len(panels) > FITTING:
        root.attrib["class"] += " wide"
    axis = axis_of(_spanned(panels), most_ticks=max(5, 8 - len(panels)))
    width = (100 - GUTTER * (len(panels) - 1)) / len(panels)
    places = [_Place(at * (width + GUTTER), width, axis, top, bottom, many) for at in range(len(panels))]
    for panel, place in zip(panels, places, strict=True):
        _background(root, panel, place)
        _cut(root, shortened(panel.title, NAME_COLUMNS), (f"{place.left:.3f}%", 1), f"{width:.3f}%", "panel-title")
    for number, row in enumerate(shared.values()):
        _head_of_row(root, row, top + ROW * number)
    lines = {name: top + ROW * number for number, name in enumerate(shared)}
    for panel, place in zip(panels, places, strict=True):
        for row in panel.rows:
            _row(root, row, place, lines[row.name])
    _text(root, "← loses less than average", ("0", bottom + FOOT - 5), "dim")
    _text(root, "points · loses more →", ("100%", bottom + FOOT - 5), "dim", "end")
    return tostring(root, encoding="unicode")


def mark_symbol(mark: Mark) -> str:
    """Return a mark alone, for a legend or a table; whoever cannot see it reads the words beside it."""
    root = Element("svg", {"class": "symbol", "width": "16", "height": "16", "viewBox": "-8 -8 16 16"})
    root.set("aria-hidden", "true")
    SubElement(root, "path", {"class": f"mark {mark}", "d": SHAPES[mark]})
    return tostring(root, encoding="unicode")


def _spanned(panels: Sequence[Panel]) -> list[float]:
    """Return what the axis must hold: all values, but the ends of intervals only of groups that are not small."""
    rows = [row for panel in panels for row in panel.rows]
    sure = [row for row in rows if not row.small] or rows
    ends = [end for row in sure for end in (row.low, row.high, row.limit) if end is not None]
    bands = [end for panel in panels if panel.floor for end in panel.floor]
    lines = [line for panel in panels for line in panel.lines()]
    return [*(row.value for row in rows if row.value is not None), *ends, *bands, *lines]


def _root(height: int, title: str, description: str, anchor: str) -> Element:
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "intervals", "role": "img"})
    root.attrib |= {"width": "100%", "height": str(height)}
    root.set("aria-labelledby", f"{anchor}-title {anchor}-description")
    SubElement(root, "title", {"id": f"{anchor}-title"}).text = legal(title)
    SubElement(root, "desc", {"id": f"{anchor}-description"}).text = legal(description)
    return root


def _background(root: Element, panel: Panel, place: _Place) -> None:
    rows = {"y": str(place.top), "height": str(place.bottom - place.top)}
    if panel.floor:
        low, high = (place.axis.share(end) * place.width for end in panel.floor)
        band = {"class": "floor", "x": f"{place.left + low:.3f}%", "width": f"{high - low:.3f}%"}
        SubElement(root, "rect", band | rows)
    for tick in place.axis.ticks:
        _vertical(root, place.x(tick), place, "zero" if not round(tick, 12) else "grid")
        _text(root, tick_text(tick), (place.x(tick), place.bottom + 15), "tick", "middle")
        if place.ticks_above:
            _text(root, tick_text(tick), (place.x(tick), place.top - 6), "tick", "middle")
    for line in panel.lines():
        _vertical(root, place.x(line), place, "tolerance")


def _vertical(root: Element, x: str, place: _Place, kind: str) -> None:
    SubElement(root, "line", {"class": kind, "x1": x, "x2": x, "y1": str(place.top), "y2": str(place.bottom)})


def _head_of_row(root: Element, row: Row, y: int) -> None:
    SubElement(root, "line", {"class": "rule", "x1": "0", "x2": "100%", "y1": str(y), "y2": str(y)})
    _cut(root, shortened(row.name, NAME_COLUMNS), ("0", y + 1), NAME_WIDTH, "name")
    size = f"{row.examples:,} example{'' if row.examples == 1 else 's'}" + (" (small)" if row.small else "")
    _text(root, size, ("100%", y + 14), "dim", "end")


def _row(root: Element, row: Row, place: _Place, y: int) -> None:
    group = SubElement(root, "g", {"class": "row small" if row.small and row.mark != "above" else "row"})
    SubElement(group, "title").text = legal(row.name)
    middle = y + 26
    if row.low is not None and row.high is not None:
        ends = {"x1": place.x(row.low), "x2": place.x(row.high), "y1": str(middle), "y2": str(middle)}
        SubElement(group, "line", {"class": f"interval {row.mark}"} | ends)
        for end, chevron in ((row.low, "M5-4 1 0 5 4"), (row.high, "M-5-4-1 0-5 4")):
            if place.axis.beyond(end):  # the interval goes on where the picture ends
                _at(group, place.x(end), middle, chevron, f"beyond {row.mark}")
    if row.limit is not None and not place.axis.beyond(row.limit):
        _at(group, place.x(row.limit), middle, "M0-5V5", f"limit {row.mark}")
    if row.value is None:
        _text(group, "no estimate", (place.x(0), middle + 4), "dim", "middle")
    else:
        _at(group, place.x(row.value), middle, SHAPES[row.mark], f"mark {row.mark}")


def _at(parent: Element, x: str, y: int, path: str, kind: str) -> None:
    """Draw a path whose origin lies at a percentage, which only a nested picture can."""
    inner = SubElement(parent, "svg", {"x": x, "y": str(y), "overflow": "visible"})
    SubElement(inner, "path", {"class": kind, "d": path})


def _cut(parent: Element, text: str, at: tuple[str, int], width: str, kind: str) -> None:
    """Write a text that ends where something else begins, however wide its letters are."""
    if text:
        lane = SubElement(parent, "svg", {"x": at[0], "y": str(at[1]), "width": width, "height": str(ROW // 2)})
        _text(lane, text, ("0", 13), kind)


def _text(parent: Element, text: str, at: tuple[str, int], kind: str, anchor: str = "start") -> None:
    place = {"class": kind, "x": at[0], "y": str(at[1]), "text-anchor": anchor}
    SubElement(parent, "text", place).text = text
