"""Audits as one self-contained page: the verdict and its reason, one picture, every figure, and what they rest on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from markupsafe import Markup

from prunegap.auditing import Audit, GroupAudit
from prunegap.report import audit_words as words
from prunegap.report.audit_terms import settings, terms
from prunegap.report.interval_chart import Mark, Panel, Row, interval_chart, mark_symbol
from prunegap.report.pages import templates
from prunegap.report.plain_names import legal

TITLE = "What the model does to each group"
MOST_DRAWN = 40
DRAWN_FIRST = ("above", "open", "within")
SIGNS: dict[str, Mark] = {"admissible": "within", "inadmissible": "above", "undecidable": "open"}


@dataclass(frozen=True)
class Line:
    """A group in the table, each cell as it is read."""

    name: str
    mark: Mark
    small: bool
    limits: tuple[str, ...]
    finding: str
    counts: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """What the page tells of one audit."""

    audit: Audit
    anchor: str
    sign: Mark
    headline: str
    sentence: str
    accepted: str
    certainty: str
    chart: Markup
    legend: Sequence[tuple[Markup, str]]
    not_drawn: str
    figures: dict[str, tuple[str, str]]
    lines: Sequence[Line]
    notes: Sequence[str]


def audit_page(judged: Sequence[Audit], *, code_version: str, accept_undecidable: bool = False) -> str:
    """Write audits as a page that a product owner reads.

    Args:
        judged: audits of one model, a grouping each; at least one.
        code_version: version of the program that made them.
        accept_undecidable: whether a verdict that the data leave open passes; the page says so.
    """
    verdict = words.together(judged)
    return (
        templates()
        .get_template("audit.html.j2")
        .render(
            title=TITLE,
            sections=[_section(one, f"audit-{at}", accept_undecidable) for at, one in enumerate(judged)],
            overall=verdict,
            overall_sentences=[legal(one) for one in words.together_sentences(judged)],
            overall_sign=SIGNS[verdict],
            overall_headline=words.headline(verdict, accept_undecidable=accept_undecidable),
            sure=f"{words.percent(1 - judged[0].alpha)} %",
            terms=terms(judged[0]),
            settings=settings(judged[0], accept_undecidable=accept_undecidable),
            files=dict(item for one in judged for item in one.files.items()),
            code_version=code_version,
            symbol=_symbol,
        )
    )


def audit_panel(judged: Audit, *, title: str = "") -> tuple[Panel, int]:
    """Return an audit as a panel of the chart, and how many groups it leaves out.

    At most :data:`MOST_DRAWN` are drawn: those at fault before those left open before the others, and of each kind the
    most harmed; what is drawn is in order of harm.
    """
    chosen = sorted(judged.groups, key=lambda one: DRAWN_FIRST.index(one.finding))[:MOST_DRAWN]
    names = {one.name for one in chosen}
    drawn = [one for one in judged.groups if one.name in names]
    rows = [
        Row(
            name=one.name,
            examples=one.examples,
            value=one.excess_gap.value,
            low=one.excess_gap.low,
            high=one.excess_gap.high,
            mark=cast(Mark, one.finding),
            small=words.is_small(one),
            limit=one.at_most,
        )
        for one in drawn
    ]
    floor = (0.0, judged.noise_floor_max_psi.high)
    return Panel(rows, title, judged.tolerance, judged.two_sided, floor), len(judged.groups) - len(drawn)


def _section(judged: Audit, anchor: str, accept_undecidable: bool) -> Section:
    panel, left_out = audit_panel(judged)
    accepted = words.is_accepted(judged.verdict, accept_undecidable)
    sentence = words.verdict_sentence(judged)
    chart = interval_chart(
        [panel],
        title=f"Excess accuracy gap of each group by {judged.grouping}, with its interval",
        description=f"{sentence} The table below has every figure.",
        anchor=f"{anchor}-chart",
    )
    return Section(
        audit=judged,
        anchor=anchor,
        sign=SIGNS[judged.verdict],
        headline=words.headline(judged.verdict, accept_undecidable=accept_undecidable),
        sentence=legal(sentence),
        accepted=words.ACCEPTED if accepted else "",
        certainty=words.certainty(judged, accept_undecidable=accept_undecidable),
        chart=Markup(chart),  # noqa: S704 - made by ElementTree, which escapes every name
        legend=_legend(judged, panel),
        not_drawn=_not_drawn(judged, left_out),
        figures=_figures(judged),
        lines=[_line(judged, one) for one in judged.groups],
        notes=[legal(note) for note in judged.notes],
    )


def _symbol(mark: Mark) -> Markup:
    return Markup(mark_symbol(mark))  # noqa: S704 - one of three constants


def _legend(judged: Audit, panel: Panel) -> list[tuple[Markup, str]]:
    shown = {row.mark: one for row in panel.rows for one in judged.groups if one.name == row.name}
    return [(_symbol(mark), words.finding_words(judged, shown[mark])) for mark in SIGNS.values() if mark in shown]


def _not_drawn(judged: Audit, left_out: int) -> str:
    if not left_out:
        return ""
    drawn = len(judged.groups) - left_out
    return (
        f"{drawn} of {len(judged.groups)} groups are drawn, those shown to harm first, then those left open, the most "
        f"harmed of each; the other {left_out} are in the table."
    )


def _figures(judged: Audit) -> dict[str, tuple[str, str]]:
    """Return the figures of all groups together: name -> (value, how sure)."""

    def bounded(bound_of: str) -> tuple[str, str]:
        bound, floor = getattr(judged, bound_of), getattr(judged, f"noise_floor_{bound_of}")
        return (
            f"{words.points(bound.value)} points",
            f"at least {words.points(bound.low)}, at most {words.points(bound.high)}; groups drawn at random come to "
            f"{words.points(floor.mean)}, 95 % of them to at most {words.points(floor.high)} "
            f"(p = {floor.p:.2g}, {floor.permutations:,} draws)",
        )

    before, after = words.percent(judged.accuracy_before), words.percent(judged.accuracy_after)
    return {
        "Worst group's excess gap (max psi)": bounded("max_psi"),
        "Largest difference between groups (Psi_PW)": bounded("psi_pw"),
        "Accuracy": (f"{before} % → {after} %", f"over all {judged.examples:,} examples"),
        "Churn": (f"{words.percent(judged.churn)} %", "of the examples are right with one model only"),
    }


def _line(judged: Audit, group: GroupAudit) -> Line:
    psi = group.excess_gap
    return Line(
        name=legal(group.name),
        mark=cast(Mark, group.finding),
        small=words.is_small(group),
        limits=(
            words.points(psi.value),
            f"{words.points(psi.low)} to {words.points(psi.high)}",
            words.points(group.at_most),
        ),
        finding=words.finding_words(judged, group),
        counts=(
            str(group.examples),
            words.percent(group.accuracy_before),
            words.percent(group.accuracy_after),
            str(group.lost),
            str(group.gained),
            "-" if group.needed is None else str(group.needed),
        ),
    )
