"""All pictures of a comparison, each with its file name, caption and a text for those who cannot see it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prunegap.artifacts.evaluation import Evaluation
from prunegap.artifacts.history import History
from prunegap.report.comparison import ComparisonRow
from prunegap.report.dynamics import plot_dynamics
from prunegap.report.groups import sparsities_of
from prunegap.report.plots import plot_group_gaps, plot_tradeoff
from prunegap.report.seed_mean import percent_text, plain_percent


@dataclass(frozen=True)
class Picture:
    """A PNG. ``name`` is a file name without ending; ``kind`` is ``gaps``, ``tradeoff`` or ``dynamics``."""

    kind: str
    name: str
    sparsity: float
    caption: str
    alt: str
    png: bytes


def draw_all(
    rows: Sequence[ComparisonRow], evaluations: Sequence[Evaluation], histories: Sequence[History]
) -> list[Picture]:
    """Draw group gaps and trade-off of every sparsity, and the dynamics of the first seed of every method.

    Raises:
        UserError: no evaluation, or evaluations of different data.
    """
    pictures: list[Picture] = []
    for sparsity in sparsities_of(evaluations):
        pictures.append(_gaps(rows, evaluations, sparsity))
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


def _gaps(rows: Sequence[ComparisonRow], evaluations: Sequence[Evaluation], sparsity: float) -> Picture:
    at = f"{plain_percent(sparsity)} % sparsity"
    caption = (
        f"Accuracy gap of each group at {at}: how much accuracy the sparse model lost against the dense one. "
        "A black line is the method's overall gap; what stands above it is the group's excess."
        f"{_thin_lines(rows, sparsity)}"
    )
    alt = f"Bar chart of the accuracy gap of each group and method at {at}. {_figures(rows, sparsity)}"
    return Picture(
        "gaps",
        f"group_gaps_{_in_name(sparsity)}",
        sparsity,
        caption,
        alt,
        plot_group_gaps(evaluations, sparsity),
    )


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
    what = f"{history.method} at {plain_percent(history.sparsity)} % sparsity, seed {history.seed}"
    caption = f"{what}: how the multipliers of the constraints answered their violations while fine-tuning."
    name = f"dynamics_{history.method}_{_in_name(history.sparsity)}_seed{history.seed}"
    alt = f"Line charts of multipliers and violations over the steps of {what}."
    return Picture("dynamics", name, history.sparsity, caption, alt, plot_dynamics(history))


def _first_seeds(histories: Sequence[History]) -> list[History]:
    first: dict[tuple[float, str], History] = {}
    for history in histories:
        key = history.sparsity, history.method
        if history.trace is not None and history.trace.steps and (key not in first or history.seed < first[key].seed):
            first[key] = history
    return list(first.values())


def _figures(rows: Sequence[ComparisonRow], sparsity: float) -> str:
    phrases = [
        f"{row.method} on {split}: accuracy {percent_text(figures.accuracy)} %, "
        f"max psi {percent_text(figures.max_psi)} points"
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
