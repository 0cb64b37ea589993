"""An audit as lines of text: the verdict and its reason first, then what they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunegap.uncertainty import Audit

MOST_GROUPS = 25
WORDS = {"within": "within the tolerance", "above": "above the tolerance", "open": "neither within nor above"}


def shown(judged: Audit) -> list[str]:
    """Return an audit as lines: the verdict first, then what it rests on."""
    floor = judged.noise_floor_max_psi
    lines = [
        f"{judged.verdict.upper()} at a tolerance of {_points(judged.tolerance)} points: {reason(judged)}",
        "",
        f"{judged.examples} examples in {len(judged.groups)} groups by {judged.grouping}; accuracy "
        f"{_points(judged.accuracy_before)} % before, {_points(judged.accuracy_after)} % after; "
        f"correctness changed for {_points(judged.churn)} %",
        f"worst group's excess gap (max psi) {_signed(judged.max_psi.value)} points: at least "
        f"{_signed(judged.max_psi.low)}, at most {_signed(judged.max_psi.high)}; groups drawn at random come to "
        f"{_signed(floor.mean)}, 95 % of them to at most {_signed(floor.high)} (p = {floor.p:.2g})",
        "",
    ]
    width = max(len("group"), *(len(one.name) for one in judged.groups[:MOST_GROUPS]))
    sure = f"{100 * (1 - judged.alpha):g} %"
    lines.append(_row(width, "group", "examples", "before %", "after %", "excess gap, points", "alone", "shown to be"))
    lines.append(_row(width, "", "", "", "", f"all together, {sure}", "at most", ""))
    for one in judged.groups[:MOST_GROUPS]:
        psi, before, after = one.excess_gap, _points(one.accuracy_before), _points(one.accuracy_after)
        limits = f"{_signed(psi.value)} [{_signed(psi.low)}, {_signed(psi.high)}]"
        found = WORDS[one.finding] + (f"; {one.needed} examples would decide" if one.needed else "")
        lines.append(_row(width, one.name, str(one.examples), before, after, limits, _signed(one.at_most), found))
    if len(judged.groups) > MOST_GROUPS:
        lines.append(f"... and {len(judged.groups) - MOST_GROUPS} groups that are harmed less (--json has all)")
    if judged.candidates > 1:
        lines.append(f"chosen among {judged.candidates} models: each admitted at {judged.alpha / judged.candidates:g}")
    return [*lines, *judged.notes, ""]


def _row(width: int, *cells: str) -> str:
    group, examples, before, after, limits, alone, finding = cells
    return f"{group:{width}}  {examples:>8}  {before:>8}  {after:>8}  {limits:^24}  {alone:>7}  {finding}".rstrip()


def reason(judged: Audit) -> str:
    """Return why the verdict is what it is."""
    named = [one.name for one in judged.groups if one.finding == {"inadmissible": "above"}.get(judged.verdict, "open")]
    listed = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    if judged.verdict == "admissible":
        return "every group is shown to be within it"
    if judged.verdict == "inadmissible":
        return f"shown to be above it: {listed}"
    return f"no group is shown to be above it, and not shown to be within: {listed}"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}".rstrip("0").rstrip(".")


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.2f}"
