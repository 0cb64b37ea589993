"""Plots of a comparison as PNG bytes: groups and the trade-off ("Balancing Act", Figures 1 and 2)."""

# pyright: reportUnknownMemberType=false
# matplotlib leaves its keyword arguments untyped.

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunegap.artifacts.evaluation import Evaluation, splits_of
from prunegap.errors import UserError
from prunegap.estimate import Quantity
from prunegap.report.groups import MethodGroups, method_groups, worst_first
from prunegap.report.plot_style import (
    Drawing,
    MethodStyle,
    label_text,
    legend_above,
    method_styles,
    new_figure,
    rendered,
    tidy,
)
from prunegap.report.seed_mean import SCALES, SeedMean, plain_percent, unit_text
from prunegap.report.summary import ComparisonRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_GROUPS_DRAWN = 16
FEWEST_GROUPS_CUT_TO = 6
MAX_BARS = 100
TOLERANCE = "tolerance (on train)"
GROUP_WIDTH = 0.84
TICK_FONT_SIZE = 8.5


def plot_groups(evaluations: Sequence[Evaluation], sparsity: float, quantity: Quantity) -> Drawing:
    """Draw a quantity of each group under each method, a panel a split; the accuracy gap: Figure 1 of the paper.

    Bars are means over seeds with their standard deviations; a black line marks the method's overall value, so what
    stands above the overall gap is the excess gap. Of more than 16 groups (or 100 bars) those hurt most on the last
    split are drawn.

    Raises:
        UserError: evaluations of different data, or nothing evaluated at ``sparsity``.
    """
    splits = splits_of([one for one in evaluations if one.sparsity == sparsity])
    panels = {split: method_groups(evaluations, sparsity, split) for split in splits or splits_of(evaluations)}
    names, count = _drawn_groups(list(panels.values())[-1])
    chosen = "" if count == len(names) else f": the {len(names)} groups hurt most on {list(panels)[-1]}, of {count}"
    styles = method_styles(evaluations)
    figure = new_figure(min(11.0, max(7.5, 1.6 + 0.11 * len(names) * (len(styles) + 2))), 0.9 + 2.9 * len(panels))
    all_axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (split, methods) in zip(all_axes, panels.items(), strict=True):
        for place, method in enumerate(methods):
            _draw_bars(axes, method, names, (place, len(methods)), style=styles[method.shown_name], quantity=quantity)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(range(len(names)), _tick_labels(names, figure.get_figwidth()), fontsize=TICK_FONT_SIZE)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_ylabel(with_unit(quantity))
        tidy(axes, f"{split}{chosen}")
    legend_above(figure, all_axes[0], last=line_label(quantity))
    return rendered(figure)


def _drawn_groups(methods: Sequence[MethodGroups]) -> tuple[list[str], int]:
    names = list(dict.fromkeys(name for method in methods for name in method.groups))
    room = min(MAX_GROUPS_DRAWN, max(FEWEST_GROUPS_CUT_TO, MAX_BARS // len(methods)))
    drawn = names if len(names) <= room else worst_first(methods)[:room]
    return drawn, len(names)


def _tick_labels(names: Sequence[str], figure_width: float) -> list[str]:
    letters = max(7, int(figure_width * 13.5 / max(1, len(names))))
    return [label_text(name, min(letters, 18)) for name in names]


def _draw_bars(
    axes: "Axes",
    method: MethodGroups,
    names: Sequence[str],
    place: tuple[int, int],
    *,
    style: MethodStyle,
    quantity: Quantity,
) -> None:
    index, count = place
    width, scale = GROUP_WIDTH / count, SCALES[quantity.unit]
    known = [
        (spot, figure)
        for spot, name in enumerate(names)
        if (group := method.groups.get(name)) and (figure := group.figures.get(quantity.name))
    ]
    centres = [spot - GROUP_WIDTH / 2 + width * (index + 0.5) for spot, _ in known]
    axes.bar(
        centres,
        [scale * figure.mean for _, figure in known],
        width * 0.92,
        yerr=_error_bars([figure for _, figure in known], scale),
        color=style.colour,
        hatch=style.hatch,
        edgecolor="white",
        linewidth=0.3,
        error_kw={"elinewidth": 0.9, "capsize": 2, "capthick": 0.9, "ecolor": "#222222"},
        label=label_text(method.shown_name, 24),
    )
    whole = method.overall.get(quantity.line or quantity.name)
    if whole is None:
        return
    overall = scale * whole.mean
    lefts, rights = [x - width / 2 for x in centres], [x + width / 2 for x in centres]
    axes.hlines([overall] * len(centres), lefts, rights, color="white", linewidth=3.2, zorder=3)
    lines = axes.hlines([overall] * len(centres), lefts, rights, color="black", linewidth=1.6, zorder=4)
    if index == count - 1:
        lines.set_label(line_label(quantity))


def line_label(quantity: Quantity) -> str:
    """Return what the line of the overall value is called."""
    return (quantity.line or f"overall {quantity.name}").replace("_", " ")


def with_unit(quantity: Quantity) -> str:
    """Return the name of a quantity with its unit, as an axis carries it."""
    unit = unit_text(quantity)
    return f"{quantity.heading} ({unit})" if unit else quantity.heading


def _error_bars(figures: Sequence[SeedMean], scale: int) -> list[float] | None:
    if all(figure.sd is None for figure in figures):
        return None
    return [scale * (figure.sd or 0.0) for figure in figures]


def plot_tradeoff(rows: Sequence[ComparisonRow], sparsity: float) -> Drawing:
    """Draw disparity against accuracy, a point a method and a panel a split, as Figure 2 of the paper.

    Error bars are standard deviations over seeds; a dashed line marks the tolerance.

    Raises:
        UserError: no row at ``sparsity``.
    """
    drawn = [row for row in rows if row.sparsity == sparsity]
    splits = [name for name in ("train", "validation", "test") if any(name in row.splits for row in drawn)]
    if not splits:
        raise UserError(f"nothing was evaluated at {plain_percent(sparsity)} % sparsity; name one that was")
    styles = method_styles(rows)
    figure = new_figure(1.2 + 4.4 * len(splits), 4.3)
    all_axes = figure.subplots(1, len(splits), squeeze=False)[0]
    for axes, split in zip(all_axes, splits, strict=True):
        for row in drawn:
            if split in row.splits:
                _draw_point(axes, row, split, styles[row.shown_name])
        for place, tolerance in enumerate(sorted({row.tolerance for row in drawn})):
            label = TOLERANCE if place == 0 else None
            axes.axhline(100 * tolerance, color="#a00000", linestyle="--", linewidth=1.1, label=label)
        axes.set_xlabel("accuracy (%)")
        axes.set_ylabel("disparity max psi (points)")
        axes.ticklabel_format(useOffset=False)
        axes.margins(0.12)
        if all(_low(row.splits[split]["max_psi"]) >= 0 for row in drawn if split in row.splits):
            axes.set_ylim(bottom=0)
        tidy(axes, f"{split}: better is lower and further right")
        axes.grid(axis="x", color="#e3e3e3", linewidth=0.8)
    legend_above(figure, all_axes[0], last=TOLERANCE)
    return rendered(figure)


def _low(figure: SeedMean) -> float:
    return figure.mean - (figure.sd or 0.0)


def _draw_point(axes: "Axes", row: ComparisonRow, split: str, style: MethodStyle) -> None:
    accuracy, max_psi = row.splits[split]["accuracy"], row.splits[split]["max_psi"]
    axes.errorbar(
        100 * accuracy.mean,
        100 * max_psi.mean,
        xerr=_error_bars([accuracy], 100),
        yerr=_error_bars([max_psi], 100),
        fmt=style.marker,
        color=style.colour,
        markersize=8,
        markeredgecolor="white",
        markeredgewidth=0.6,
        label=label_text(row.shown_name, 24),
        elinewidth=0.9,
        capsize=2,
        capthick=0.9,
    )
