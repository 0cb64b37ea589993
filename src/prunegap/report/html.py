"""The comparison as one self-contained HTML page: no script, nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from prunegap.artifacts.evaluation import Evaluation, judged_split, splits_of
from prunegap.artifacts.method_difference import MethodDifference
from prunegap.artifacts.verdict import Verdict
from prunegap.pruning.layer_roles import why_dense
from prunegap.report.differences import sentences_at
from prunegap.report.findings import CAVEAT, Findings, findings
from prunegap.report.gallery import Picture, draw_all
from prunegap.report.grids import Grid, comparison_grid, group_grid, group_quantities
from prunegap.report.groups import check_one_problem, method_groups, sparsities_of
from prunegap.report.interval_chart import mark_symbol
from prunegap.report.method_chart import MEANINGS, marks_of, method_chart
from prunegap.report.pages import templates
from prunegap.report.seed_mean import plain_percent
from prunegap.report.summary import ComparisonRow
from prunegap.report.terms import methods, terms
from prunegap.report.verdict_text import recommendation

if TYPE_CHECKING:
    from prunegap.artifacts.history import History

TITLE = "What pruning costs each group"


@dataclass(frozen=True)
class Level:
    """What the page tells of one sparsity; ``dynamics`` are folded."""

    percent: str
    findings: Findings
    chart: Markup
    about_chart: str
    legend: Sequence[tuple[Markup, str]]
    pictures: Sequence[Picture]
    grids: Sequence[Grid]
    dynamics: Sequence[Picture]
    beside: Sequence[tuple[str, str]] = ()

    @property
    def anchor(self) -> str:
        """Where its section begins."""
        return f"sparsity-{self.percent}"


def write_html(
    rows: Sequence[ComparisonRow],
    evaluations: Sequence[Evaluation],
    histories: Sequence[History],
    verdict: Verdict,
    path: Path,
    *,
    code_version: str,
    parameters: Mapping[str, object] | None = None,
    pictures: Sequence[Picture] | None = None,
    differences: Sequence[MethodDifference] = (),
) -> None:
    """Write the page a product owner reads.

    Args:
        rows: the summary of ``evaluations``.
        evaluations: every run of one data set, target and grouping.
        histories: what fine-tuning did; those without constraints are skipped.
        verdict: on each of the evaluations' models.
        path: the file to write.
        code_version: version of the program that made the results.
        parameters: parameters of the experiment, shown under "Provenance".
        pictures: what :func:`prunegap.report.gallery.draw_all` returned, to spare drawing twice.
        differences: of each method beside the first.

    Raises:
        UserError: no evaluation, or evaluations of different data.
    """
    check_one_problem(evaluations)
    drawn = draw_all(rows, evaluations, histories) if pictures is None else pictures
    page = templates().get_template("comparison.html.j2")
    text = page.render(
        title=TITLE,
        first=rows[0],
        caveat=CAVEAT,
        comparisons=[comparison_grid(rows, name) for name in splits_of(evaluations)],
        answer=recommendation(verdict),
        levels=[
            replace(_level(rows, evaluations, sparsity, drawn, verdict), beside=sentences_at(differences, sparsity))
            for sparsity in sparsities_of(evaluations)
        ],
        terms=terms(evaluations),
        methods=methods(evaluations),
        provenance=_provenance(rows, evaluations, code_version, parameters or {}),
    )
    path.write_text(text, encoding="utf-8")


def _level(
    rows: Sequence[ComparisonRow],
    evaluations: Sequence[Evaluation],
    sparsity: float,
    pictures: Sequence[Picture],
    verdict: Verdict,
) -> Level:
    here = [picture for picture in pictures if picture.sparsity == sparsity]
    of_level = [one for one in evaluations if one.sparsity == sparsity]
    splits, judged = splits_of(of_level), judged_split(of_level)
    of_methods, percent = method_groups(evaluations, sparsity, judged, verdict), plain_percent(sparsity)
    chart, about = method_chart(of_methods, judged, f"chart-{percent}")
    return Level(
        percent=percent,
        chart=Markup(chart),  # noqa: S704 - made by ElementTree, which escapes every name
        about_chart=about,
        legend=[(Markup(mark_symbol(mark)), MEANINGS[mark]) for mark in marks_of(of_methods)],  # noqa: S704 - constants
        findings=findings(rows, evaluations, sparsity, verdict),
        pictures=[picture for picture in here if picture.kind != "dynamics"],
        grids=[
            group_grid(evaluations, sparsity, split, quantity, verdict)
            for quantity in group_quantities(evaluations)
            for split in reversed(splits)
        ],
        dynamics=[picture for picture in here if picture.kind == "dynamics"],
    )


def _provenance(
    rows: Sequence[ComparisonRow],
    evaluations: Sequence[Evaluation],
    code_version: str,
    parameters: Mapping[str, object],
) -> dict[str, str]:
    first = rows[0]
    seeds = sorted({seed for row in rows for seed in row.seeds})
    known = {
        "data set": first.dataset,
        "target": first.target,
        "groups": first.group,
        "model": ", ".join(dict.fromkeys(row.model for row in rows)),
        "layers": " / ".join(dict.fromkeys(why_dense(one.layers) for one in evaluations if one.layers))
        or "not recorded",
        "methods": ", ".join(dict.fromkeys(row.shown_name for row in rows)),
        "seeds": ", ".join(map(str, seeds)),
        "code version": code_version,
    }
    given = {f"parameter {name}": _plain(value) for name, value in parameters.items()}
    return known | given


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
