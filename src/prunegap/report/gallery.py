"""All pictures of a comparison, each with its file name, caption and a text for those who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prunegap.artifacts.evaluation import Evaluation
from prunegap.estimate import Quantity, joined, shown_in
from prunegap.report.dynamics import plot_dynamics
from prunegap.report.groups import sparsities_of
from prunegap.report.plot_style import Drawing
from prunegap.report.plots import line_label, plot_groups, plot_tradeoff
from prunegap.report.seed_mean import percent_text, plain_percent
from prunegap.report.summary import ComparisonRow

if TYPE_CHECKING:
    from prunegap.artifacts.history import History

GAP = "gap"


@dataclass(frozen=True)
class Picture:
    """A picture. ``name`` is a file name without ending; ``kind`` is ``groups``, ``tradeoff`` or ``dynamics``."""

    kind: str
    name: str
    sparsity: float
    caption: str
    alt: str
    drawing: Drawing


def draw_all(
    rows: Sequence[ComparisonRow], evaluations: Sequence[Evaluation], histories: Sequence[History]
) -> list[Picture]:
    """Draw group gaps and trade-off of every sparsity, and the dynamics of the first seed of every method.

    Raises:
        UserError: no evaluation, or evaluations of different data.
    """
    drawn = shown_in("plot", joined(one.group_quantities for one in evaluations))
    pictures: list[Picture] = []
    for sparsity in sparsities_of(evaluations):
        pictures += [_groups(rows, evaluations, sparsity, quantity) for quantity in drawn]
        pictures.append(_tradeoff(rows, sparsity))
    return _with_names_of_their_own(pictures + [_dynamics(history) for history in _first_seeds(histories)])


def _with_names_of_their_own(pictures: Sequence[Picture]) -> list[Picture]:
    """Number the names that are taken, as those of methods that differ in case alone, on a disk that ignores it."""
    apart: list[Picture] = []
    taken: set[str] = set()
    for picture in pictures:
        name, number = picture.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{picture.name}_{number}"
        taken.add(name.lower())
        apart.append(replace(picture, name=name))
    return apart


def _groups(
    rows: Sequence[ComparisonRow], evaluations: Sequence[Evaluation], sparsity: float, quantity: Quantity
) -> Picture:
    at = f"{plain_percent(sparsity)} % sparsity"
    has_line = any((quantity.line or quantity.name) == one.name for row in rows for one in row.quantities)
    line = f" A black line is the method's {line_label(quantity)}." if has_line else ""
    above = " What stands above it is the group's excess." if quantity.name == GAP else ""
    caption = (
        f"{quantity.heading[:1].upper()}{quantity.heading[1:]} of each group at {at}. {quantity.description}"
        f"{line}{above}{_thin_lines(rows, sparsity)}"
    )
    alt = f"Bar chart of the {quantity.heading} of each group and method at {at}. {_figures(rows, sparsity)}"
    name = f"group_{'gaps' if quantity.name == GAP else quantity.name}_{_in_name(sparsity)}"
    return Picture("groups", name, sparsity, caption, alt, plot_groups(evaluations, sparsity, quantity))


def _tradeoff(rows: Sequence[ComparisonRow], sparsity: float) -> Picture:
    at = f"{plain_percent(sparsity)} % sparsity"
    caption = (
        f"Disparity against accuracy at {at}. The dashed line is the tolerance, a criterion on train and "
        "shown on other splits for comparison."
        f"{_thin_lines(rows, sparsity)}"
    )
    alt = f"Scatter plot of max psi against accuracy at {at}. {_figures(rows, sparsity)}"
    return Picture("tradeoff", f"tradeoff_{_in_name(sparsity)}", sparsity, caption, alt, plot_tradeoff(rows, sparsity))


def _dynamics(history: History) -> Picture:
    what = f"{history.shown_name} at {plain_percent(history.sparsity)} % sparsity, seed {history.seed}"
    caption = f"{what}: how the multipliers of the constraints answered their violations while fine-tuning."
    name = f"dynamics_{history.shown_name}_{_in_name(history.sparsity)}_seed{history.seed}"
    alt = f"Line charts of multipliers and violations over the steps of {what}."
    return Picture("dynamics", name, history.sparsity, caption, alt, plot_dynamics(history))


def _first_seeds(histories: Sequence[History]) -> list[History]:
    first: dict[tuple[float, str], History] = {}
    for history in histories:
        key = history.sparsity, history.shown_name
        if history.trace is not None and history.trace.steps and (key not in first or history.seed < first[key].seed):
            first[key] = history
    return list(first.values())


def _figures(rows: Sequence[ComparisonRow], sparsity: float) -> str:
    phrases = [
        f"{row.shown_name} on {split}: accuracy {percent_text(figures.get('accuracy'))} %, "
        f"max psi {percent_text(figures.get('max_psi'))} points"
        for row in rows
        if row.sparsity == sparsity
        for split, figures in row.splits.items()
    ]
    return "; ".join(phrases) + "."


def _thin_lines(rows: Sequence[ComparisonRow], sparsity: float) -> str:
    has_sd = any(len(row.seeds) > 1 for row in rows if row.sparsity == sparsity)
    return " Thin lines: standard deviation over seeds." if has_sd else " One seed, so no standard deviations."


def _in_name(sparsity: float) -> str:
    return plain_percent(sparsity).replace(".", "p")
