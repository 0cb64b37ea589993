"""Tables as plain cells with marks: the terminal, Markdown and HTML show the same words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prunegap.artifacts.evaluation import TRAIN, Evaluation
from prunegap.artifacts.verdict import ADMISSIBLE, INADMISSIBLE, Verdict
from prunegap.estimate import Quantity, joined, shown_in
from prunegap.report.groups import JUDGED, NO_SEED, MethodGroups, method_groups, worst_first, worst_group
from prunegap.report.seed_mean import NO_ESTIMATE, SeedMean, duration_text, figure_text, plain_percent, unit_text
from prunegap.report.summary import ComparisonRow

MAX_GROUP_ROWS = 12
WORST_GROUP_ROWS = 10
WORST_SIGN, OVER_SIGN = "▲", "!"
FEASIBLE = "feasible on train"
VERDICT = "verdict on models"
ON_TRAIN = ("accuracy", "max_psi")

Mark = Literal["name", "number", "yes", "no", "over", "worst", "worst_over"]


@dataclass(frozen=True)
class Cell:
    """A text and what it stands for."""

    text: str
    mark: Mark = "number"


@dataclass(frozen=True)
class Grid:
    """Headings, rows of cells, and a sentence below them."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str


def comparison_grid(rows: Sequence[ComparisonRow], split: str, *, seconds_sd: bool = True) -> Grid:
    """One split: accuracy, disparity and churn of every method; a dash where the split was not evaluated."""
    shown = shown_in("table", joined(row.quantities for row in rows))
    cells = tuple((*_names(row), *_split_cells(row, split, shown)) for row in rows)
    headings = ("sparsity %", "method", *map(_heading, shown))
    if split == TRAIN:
        headings = (*headings, FEASIBLE, "seconds")
        cells = tuple(
            (*one, feasible_cell(row), _seconds(row, seconds_sd)) for one, row in zip(cells, rows, strict=True)
        )
    if any(split == row.judged_on for row in rows):
        headings = (*headings, VERDICT)
        cells = tuple((*one, verdict_cell(row)) for one, row in zip(cells, rows, strict=True))
    return _with_problem(rows, Grid(f"{split} split", headings, cells, seeds_note(rows)))


def overview_grid(rows: Sequence[ComparisonRow]) -> Grid:
    """Train and test beside each other in one short table."""
    on_test = shown_in("table", joined(row.quantities for row in rows))
    on_train = [one for one in on_test if one.name in ON_TRAIN]
    shown = (*(f"train {_heading(one)}" for one in on_train), *(f"test {_heading(one)}" for one in on_test))
    headings = ("sparsity %", "method", VERDICT, FEASIBLE, *shown)
    cells = tuple(
        (
            *_names(row),
            verdict_cell(row),
            feasible_cell(row),
            *_split_cells(row, "train", on_train),
            *_split_cells(row, "test", on_test),
        )
        for row in rows
    )
    return _with_problem(rows, Grid("Comparison", headings, cells, seeds_note(rows)))


def _names(row: ComparisonRow) -> tuple[Cell, Cell]:
    return Cell(plain_percent(row.sparsity)), Cell(row.shown_name, "name")


def _heading(quantity: Quantity) -> str:
    """Name and unit; percentage points are told by the note."""
    unit = "" if quantity.difference and quantity.unit == "fraction" else unit_text(quantity)
    return f"{quantity.heading} {unit}".rstrip()


def _split_cells(row: ComparisonRow, split: str, shown: Sequence[Quantity]) -> tuple[Cell, ...]:
    figures = row.splits.get(split, {})
    return tuple(Cell(figure_text(figures.get(one.name), one.unit, with_limits=one.difference)) for one in shown)


def feasible_cell(row: ComparisonRow) -> Cell:
    """Say yes or no, and with several seeds how many of them are feasible."""
    if row.feasible_on_train is None:
        return Cell(NO_ESTIMATE)
    word: Mark = "yes" if row.feasible_on_train else "no"
    count = len(row.seeds)
    return Cell(word if count == 1 else f"{word} {row.feasible_seeds}/{count}", word)


def verdict_cell(row: ComparisonRow) -> Cell:
    """Say what the verdict on the method's models is, and with several seeds on how many of them."""
    if not row.verdicts:
        return Cell(NO_ESTIMATE)
    mark: Mark = "no" if INADMISSIBLE in row.verdicts else "yes" if set(row.verdicts) == {ADMISSIBLE} else "number"
    if len(row.seeds) == 1:
        return Cell(next(iter(row.verdicts)), mark)
    return Cell(", ".join(f"{count} {word}" for word, count in row.verdicts.items()), mark)


def _seconds(row: ComparisonRow, with_sd: bool) -> Cell:
    return Cell(duration_text(row.seconds, with_sd=with_sd))


def _with_problem(rows: Sequence[ComparisonRow], grid: Grid) -> Grid:
    problems = [f"{row.dataset} {row.target} / {row.group}" for row in rows]
    if len(set(problems)) == 1:
        return Grid(f"{problems[0]}, {grid.title}", grid.headings, grid.rows, grid.note)
    cells = tuple((Cell(problem, "name"), *row) for problem, row in zip(problems, grid.rows, strict=True))
    return Grid(grid.title, ("data, target / group", *grid.headings), cells, grid.note)


def seeds_note(rows: Sequence[ComparisonRow]) -> str:
    """Say over how many seeds the figures are, and in which units."""
    counts = sorted({len(row.seeds) for row in rows})
    units = "max psi and Psi_PW in percentage points; in brackets: confidence limits"
    if not counts or counts[-1] == 1:
        return f"One seed; {units}."
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    feasible = "feasible on train: by the mean over seeds, then how many seeds are feasible alone"
    return f"Mean ± standard deviation over {span} seeds; {units}; {feasible}."


def group_quantities(evaluations: Sequence[Evaluation]) -> list[Quantity]:
    """Return what has a table a group, in order."""
    return shown_in("table", joined(one.group_quantities for one in evaluations))


def group_grid(
    evaluations: Sequence[Evaluation],
    sparsity: float,
    split: str,
    quantity: Quantity,
    verdict: Verdict | None = None,
    *,
    with_sd: bool = True,
) -> Grid:
    """One quantity of each group under each method; only those hurt most of more than 12 groups.

    Excess gaps above the tolerance and the worst of them are marked.

    Raises:
        UserError: as :func:`prunegap.report.groups.method_groups`.
    """
    methods = method_groups(evaluations, sparsity, split, verdict)
    names = list(dict.fromkeys(name for method in methods for name in method.groups))
    worst = {method.shown_name: worst_group(method) for method in methods}
    limit = max(WORST_GROUP_ROWS, len(set(worst.values())))
    shown = worst_first(methods)[:limit] if len(names) > MAX_GROUP_ROWS else names
    rows = tuple(
        (
            Cell(name, "name"),
            Cell(_count(methods, name)),
            *(_group_cell(method, name, worst[method.shown_name], quantity, with_sd) for method in methods),
        )
        for name in shown
    )
    title = quantity.heading[:1].upper() + quantity.heading[1:]
    unit = f", in {text}" if (text := unit_text(quantity)) else ""
    return Grid(
        title=f"{title} on {split} at {plain_percent(sparsity)} % sparsity{unit}",
        headings=("group", "examples", *(method.shown_name for method in methods)),
        rows=rows,
        note=_group_note(quantity, len(shown), len(names)),
    )


def _count(methods: Sequence[MethodGroups], name: str) -> str:
    return next(str(method.groups[name].count) for method in methods if name in method.groups)


def _group_cell(method: MethodGroups, name: str, worst: str, quantity: Quantity, with_sd: bool) -> Cell:
    group = method.groups.get(name)
    figure = None if group is None else group.figures.get(quantity.name)
    text = figure_text(figure, quantity.unit, signed=quantity.difference, with_sd=with_sd, with_limits=True)
    if quantity.name != JUDGED:
        return Cell(text)
    is_over = _least_excess(figure) > method.tolerance
    is_worst = name == worst and text != NO_ESTIMATE
    mark: Mark = "number"
    if is_over or is_worst:
        mark = "over" if not is_worst else "worst_over" if is_over else "worst"
    signs = [OVER_SIGN] * is_over + [WORST_SIGN] * is_worst
    return Cell(" ".join([*signs, text]), mark)


def _least_excess(figure: SeedMean | None) -> float:
    """Return what an excess gap is at least: its lower limit, or where the examples are all there are, itself."""
    if figure is None:
        return NO_SEED
    return figure.mean if figure.low is None else figure.low


def _group_note(quantity: Quantity, shown: int, count: int) -> str:
    note = quantity.description
    if quantity.name == JUDGED:
        meaning = "Positive: hurt more than the average."
        over = f"{OVER_SIGN} above the tolerance with all of its limits"
        note = f"{meaning} {over}; {WORST_SIGN} the group that the method hurts most."
    left_out = count - shown
    if not left_out:
        return note
    return f"{note} The {shown} worst of {count} groups; {left_out} are left out (group_results.csv has all)."
