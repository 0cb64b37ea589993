"""The comparison for the terminal (rich) and for Markdown."""

from collections.abc import Sequence
from html import escape
from math import ceil

from rich import box
from rich.console import Group as RichGroup
from rich.table import Table
from rich.text import Text

from prunegap.artifacts.evaluation import Evaluation, splits_of
from prunegap.artifacts.method_difference import MethodDifference
from prunegap.artifacts.verdict import Verdict
from prunegap.report.differences import sentences_at
from prunegap.report.findings import findings
from prunegap.report.grids import (
    VERDICT,
    Cell,
    Grid,
    Mark,
    comparison_grid,
    group_grid,
    group_quantities,
    overview_grid,
)
from prunegap.report.groups import check_one_problem, sparsities_of
from prunegap.report.seed_mean import plain_percent
from prunegap.report.summary import ComparisonRow

STYLES: dict[Mark, str] = {
    "name": "",
    "number": "",
    "yes": "green",
    "no": "red",
    "over": "red",
    "worst": "bold",
    "worst_over": "bold red",
}
MOST_METHODS_WITH_SD = 4
METHODS_A_TABLE = 3
SHORT_NAME = 12
GROUP_COLUMNS = 2
SHORT_HEADINGS = {"sparsity %": "sparsity\n%", "feasible on train": "feasible\non train"}


def comparison_table(rows: Sequence[ComparisonRow], split: str) -> Table:
    """Return accuracy, disparity, churn, feasibility and mean time of every method on one split."""
    return _rich_table(comparison_grid(rows, split, seconds_sd=False))


def group_table(
    evaluations: Sequence[Evaluation], sparsity: float, split: str, verdict: Verdict | None = None
) -> RichGroup:
    """Return each quantity of the groups (rows) under each method (columns): excess gaps in points, the worst marked.

    More than three methods make more than one table, so that each fits a terminal of 100 columns.

    Raises:
        UserError: evaluations of different data, or nothing evaluated at ``sparsity`` on ``split``.
    """
    check_one_problem(evaluations)
    methods = {one.shown_name for one in evaluations if one.sparsity == sparsity}
    with_sd = len(methods) <= MOST_METHODS_WITH_SD
    grids = [
        group_grid(evaluations, sparsity, split, quantity, verdict, with_sd=with_sd)
        for quantity in group_quantities(evaluations)
    ]
    return RichGroup(*(_rich_table(part) for grid in grids for part in _parts(grid)))


def _parts(grid: Grid) -> list[Grid]:
    count = len(grid.headings) - GROUP_COLUMNS
    width = ceil(count / ceil(count / METHODS_A_TABLE))
    return [_columns_from(grid, start, width) for start in range(0, count, width)]


def _columns_from(grid: Grid, start: int, width: int) -> Grid:
    first = GROUP_COLUMNS + start
    last = first + width
    return Grid(
        title="" if start else grid.title,
        headings=grid.headings[:GROUP_COLUMNS] + grid.headings[first:last],
        rows=tuple(row[:GROUP_COLUMNS] + row[first:last] for row in grid.rows),
        note=grid.note if last >= len(grid.headings) else "",
    )


def markdown_table(rows: Sequence[ComparisonRow]) -> str:
    """Return the comparison of train and test as a Markdown table."""
    return markdown_grid(overview_grid(rows))


def groups_markdown(evaluation: Evaluation) -> str:
    """Return each quantity of the groups on every split as Markdown tables, a heading a split."""
    parts: list[str] = []
    for split in evaluation.splits:
        parts.append(f"## {split}\n")
        for quantity in group_quantities([evaluation]):
            grid = group_grid([evaluation], evaluation.sparsity, split, quantity)
            parts.append(f"{_escaped(grid.title)}:\n\n{markdown_grid(grid)}")
    return "\n".join(parts)


def all_groups_markdown(
    rows: Sequence[ComparisonRow],
    evaluations: Sequence[Evaluation],
    verdict: Verdict,
    differences: Sequence[MethodDifference] = (),
) -> str:
    """Return for each sparsity the verdicts and feasibility in words, and what every method does to each group.

    Raises:
        UserError: evaluations of different data.
    """
    parts: list[str] = []
    for sparsity in sparsities_of(evaluations):
        found = findings(rows, evaluations, sparsity, verdict)
        parts.append(f"## {plain_percent(sparsity)} % sparsity\n")
        parts += [f"- {_escaped(f'{name}: {sentence}')}" for name, sentence in found.verdicts]
        parts.append(f"\n{_escaped(found.feasibility)}\n")
        parts += [f"- {_escaped(f'{name}: {sentence}')}" for name, sentence in found.hurt]
        told = [f"- {_escaped(f'{name} {sentence}')}" for name, sentence in sentences_at(differences, sparsity)]
        parts += ["", *told] if told else []
        for split in splits_of([one for one in evaluations if one.sparsity == sparsity]):
            for quantity in group_quantities(evaluations):
                grid = group_grid(evaluations, sparsity, split, quantity, verdict)
                parts.append(f"\n{_escaped(grid.title)}:\n\n{markdown_grid(grid)}")
    return "\n".join(parts)


def markdown_grid(grid: Grid) -> str:
    """Return a grid as a Markdown table and its note."""
    names = {index for index, cell in enumerate(grid.rows[0]) if cell.mark == "name"} if grid.rows else set[int]()
    rule = ["---" if index in names else "---:" for index in range(len(grid.headings))]
    lines = [grid.headings, rule, *([_markdown_text(cell) for cell in row] for row in grid.rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{grid.note}\n"


def _markdown_text(cell: Cell) -> str:
    text = _escaped(cell.text)
    return f"**{text}**" if cell.mark in {"yes", "no"} else text


def _escaped(words: str) -> str:
    text = escape(words, quote=False).replace("\\", "\\\\")
    for sign in "|*_`[]":
        text = text.replace(sign, "\\" + sign)
    return text


def _rich_table(grid: Grid) -> Table:
    table = Table(
        title=Text(grid.title, style="bold") if grid.title else None,
        caption=Text(grid.note) if grid.note else None,
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    for index, heading in enumerate(grid.headings):
        is_name = bool(grid.rows) and grid.rows[0][index].mark == "name"
        # What gives way in a narrow terminal is words: figures and short names stay whole.
        table.add_column(
            Text(SHORT_HEADINGS.get(heading, heading)),
            justify="left" if is_name else "right",
            overflow="fold",
            no_wrap=not is_name and heading != VERDICT,
            min_width=min(SHORT_NAME, max(len(row[index].text) for row in grid.rows)) if is_name else None,
        )
    for row in grid.rows:
        table.add_row(*(Text(cell.text, style=STYLES[cell.mark]) for cell in row))
    return table
