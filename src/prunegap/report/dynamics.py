"""Multipliers and violations over the steps of one fine-tuning ("Balancing Act", Figure 4)."""

# pyright: reportUnknownMemberType=false
# matplotlib leaves its keyword arguments untyped.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.report.plot_style import BLACK, COLOURS, GREY, Drawing, label_text, new_figure, rendered, tidy
from prunegap.report.seed_mean import plain_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from prunegap.artifacts.history import History, StepTrace

MAXIMUM = "maximum"
LINE_COLOURS = tuple(colour for colour in COLOURS if colour not in {BLACK, GREY})


def plot_dynamics(history: History) -> Drawing:
    """Draw the multipliers and the violations of the named constraints over the steps of one fine-tuning.

    Violations of fractions, such as accuracies, are in percentage points, those of losses as measured. The
    first six constraints are coloured, further ones grey, and ``maximum`` over all constraints is dashed.

    Raises:
        UserError: the method has no constraints, so there is nothing to draw.
    """
    trace = history.trace
    if trace is None or not trace.steps:
        raise UserError(f"method '{history.shown_name}' recorded no constraints; name a constrained method")
    scale, unit = (100.0, "points") if history.unit == "fraction" else (1.0, "as measured")
    figure = new_figure(10.0, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _draw_lines(upper, trace, trace.multipliers, 1.0)
    _draw_lines(lower, trace, trace.violations, scale)
    lower.axhline(0, color="#a00000", linewidth=1.1, linestyle=":")
    what = f"{history.shown_name}, {plain_percent(history.sparsity)} % sparsity, seed {history.seed}"
    tidy(upper, label_text(f"Multipliers: {what}", 100))
    tidy(lower, f"Violations, {unit}: above the dotted line a constraint is broken")
    upper.set_ylabel("multiplier")
    lower.set_ylabel(f"violation ({unit})")
    lower.set_xlabel("step")
    figure.legend(*upper.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
    return rendered(figure)


def _draw_lines(axes: Axes, trace: StepTrace, values: Sequence[Sequence[float | None]], scale: float) -> None:
    has_maximum = trace.names[-1] == MAXIMUM
    constraints = trace.names[:-1] if has_maximum else trace.names
    others = len(constraints) - len(LINE_COLOURS)
    for place, name in enumerate(constraints):
        line = _column(values, place, scale)
        if place < len(LINE_COLOURS):
            axes.plot(
                trace.steps,
                line,
                color=LINE_COLOURS[place],
                linewidth=1.2,
                zorder=3,
                label=label_text(name, 22),
            )
        else:
            label = f"{others} more" if place == len(LINE_COLOURS) else None
            axes.plot(trace.steps, line, color=GREY, linewidth=0.8, zorder=2, label=label)
    if has_maximum:
        line = _column(values, len(constraints), scale)
        axes.plot(trace.steps, line, color="black", linestyle=(0, (4, 3)), linewidth=1.0, zorder=4, label="maximum")


def _column(values: Sequence[Sequence[float | None]], place: int, scale: float) -> list[float]:
    column = [row[place] for row in values]
    return [float("nan") if value is None else scale * value for value in column]
