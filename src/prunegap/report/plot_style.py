"""One look for every plot: a colour and a marker a method, readable names, PNG and SVG.

The colours are Okabe and Ito's, chosen to be told apart by colour-blind readers, with two greys in place of
yellow; no figure depends on colour alone (markers, hatches and order differ too).
"""

# pyright: reportUnknownMemberType=false
# matplotlib leaves its keyword arguments untyped.

import io
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 110
LEGEND_ENTRY_INCHES = 1.9
BLACK, GREY = "#4d4d4d", "#b0b0b0"
BLUE, SKY, VERMILION, ORANGE, GREEN, PURPLE = "#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#cc79a7"
COLOURS = (BLACK, GREY, VERMILION, ORANGE, BLUE, SKY, GREEN, PURPLE)
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "<", ">", "h")
HATCHES = ("", "///", "...", "xxx")
USUAL = ("nft", "nft_es", "el_rb", "el", "ceag", "ceag_no_rb")


class Shown(Protocol):
    """What has a method and the name it is shown under."""

    @property
    def method(self) -> str:
        """The method."""
        ...

    @property
    def shown_name(self) -> str:
        """Its label, or the method's own name."""
        ...


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn."""

    colour: str
    marker: str
    hatch: str


def method_styles(shown: Sequence[Shown]) -> dict[str, MethodStyle]:
    """Give every shown name its style: fixed for a usual method, the next free for others and for labelled ones."""
    places: dict[str, int] = {}
    free = len(USUAL)
    for one in shown:
        if one.shown_name in places:
            continue
        if one.shown_name == one.method and one.method in USUAL:
            places[one.shown_name] = USUAL.index(one.method)
        else:
            places[one.shown_name] = free
            free += 1
    return {name: _style(place) for name, place in places.items()}


def _style(place: int) -> MethodStyle:
    return MethodStyle(
        colour=COLOURS[place % len(COLOURS)],
        marker=MARKERS[place % len(MARKERS)],
        hatch=HATCHES[place // len(COLOURS) % len(HATCHES)],
    )


def label_text(name: str, width: int, lines: int = 3) -> str:
    """Wrap a name, and keep matplotlib from reading ``$`` as mathematics or a leading ``_`` as hidden."""
    spaced = name.replace("_", "_ ")  # an underscore is a good place to break a long name
    wrapped = textwrap.wrap(spaced, width, max_lines=lines, placeholder="…") or [" "]
    text = "\n".join(wrapped).replace("_ ", "_").replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def legend_above(figure: "Figure", axes: "Axes", *, last: str) -> None:
    """Put the legend of ``axes`` above all panels, as many columns as fit, the entry ``last`` at the end."""
    entries = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if last in entries:
        entries[last] = entries.pop(last)
    columns = max(1, min(len(entries), int(figure.get_figwidth() / LEGEND_ENTRY_INCHES)))
    figure.legend(entries.values(), entries.keys(), loc="outside upper left", ncols=columns, frameon=False, fontsize=9)


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure (inches) that no global state knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def tidy(axes: "Axes", title: str) -> None:
    """Set the left-aligned title and a quiet grid, and take away what carries no information."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


@dataclass(frozen=True)
class Drawing:
    """A picture twice: in points for who shows images, in lines for a page that is printed or enlarged."""

    png: bytes
    svg: bytes


def rendered(figure: "Figure") -> Drawing:
    """Draw a figure; the same figure gives the same bytes."""
    return Drawing(
        _saved(figure, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}),
        _saved(figure, format="svg", metadata={"Date": None, "Creator": None}),
    )


def _saved(figure: "Figure", **options: Any) -> bytes:  # noqa: ANN401 - matplotlib's own
    import matplotlib as mpl

    buffer = io.BytesIO()
    # Letters as outlines: a page shows them whatever fonts there are. Names inside the file follow from its content.
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "prunegap"}), warnings.catch_warnings():
        # The names in the tables stay right where the plot's font lacks a sign.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, **options)
    return buffer.getvalue()
