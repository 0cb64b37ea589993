"""The one picture of a comparison: every group's excess gap with its interval, methods side by side."""

from collections.abc import Sequence

from prunegap.report.audit_words import SMALL
from prunegap.report.groups import JUDGED, GroupFigures, MethodGroups, worst_first
from prunegap.report.interval_chart import Mark, Panel, Row, interval_chart
from prunegap.report.seed_mean import in_points

MOST_DRAWN = 24
FLOOR = "max_psi_by_chance"
MEANINGS: dict[Mark, str] = {
    "above": "above the tolerance with all of its interval",
    "open": "neither within nor above",
    "within": "within the tolerance with all of its interval",
}


def method_chart(methods: Sequence[MethodGroups], split: str, anchor: str) -> tuple[str, str]:
    """Draw what each method does to each group of a split, most harmed first; return it and a sentence about it.

    Args:
        methods: with their groups, at one sparsity.
        split: the part of the data.
        anchor: prefix of the picture's ids, unique in its page.
    """
    names = worst_first(methods)
    drawn = names[:MOST_DRAWN]
    panels = [_panel(method, drawn) for method in methods]
    sentences = [f"Excess accuracy gap of each group on {split}, in points: how much more than the average it loses."]
    if len(names) > len(drawn):
        sentences.append(f"The {len(drawn)} most harmed of {len(names)} groups; group_results.csv has all.")
    seeds = max((figure.count for method in methods for figure in method.overall.values()), default=1)
    mark = "what was measured" if seeds == 1 else f"the mean over {seeds} seeds"
    sentences.append(
        f"A mark is {mark}, the line its interval; the intervals of a method hold for all groups together."
    )
    described = "; ".join(_in_words(method, panel) for method, panel in zip(methods, panels, strict=True))
    chart = interval_chart(panels, title=sentences[0], description=f"{described}.", anchor=anchor)
    return chart, " ".join(sentences)


def marks_of(methods: Sequence[MethodGroups]) -> list[Mark]:
    """Return which marks a picture of the methods has, in the order of their harm."""
    present = {_mark(method, group) for method in methods for group in method.groups.values()}
    return [mark for mark in MEANINGS if mark in present]


def _panel(method: MethodGroups, names: Sequence[str]) -> Panel:
    floor = method.overall.get(FLOOR)
    return Panel(
        rows=[_row(method, method.groups[name]) for name in names if name in method.groups],
        title=method.shown_name,
        tolerance=method.tolerance,
        floor=None if floor is None else (0.0, floor.mean if floor.high is None else floor.high),
    )


def _row(method: MethodGroups, group: GroupFigures) -> Row:
    psi = group.figures.get(JUDGED)
    return Row(
        name=group.name,
        examples=group.count,
        value=None if psi is None else psi.mean,
        low=None if psi is None else psi.low,
        high=None if psi is None else psi.high,
        mark=_mark(method, group),
        small=group.count < SMALL,
    )


def _mark(method: MethodGroups, group: GroupFigures) -> Mark:
    psi = group.figures.get(JUDGED)
    if psi is None:
        return "open"
    low, high = (psi.mean if limit is None else limit for limit in (psi.low, psi.high))
    return "above" if low > method.tolerance else "within" if high <= method.tolerance else "open"


def _in_words(method: MethodGroups, panel: Panel) -> str:
    counts = {meaning: sum(row.mark == mark for row in panel.rows) for mark, meaning in MEANINGS.items()}
    told = ", ".join(f"{count} {meaning}" for meaning, count in counts.items() if count)
    return f"{method.shown_name}, tolerance {in_points(method.tolerance)}: groups {told}"
