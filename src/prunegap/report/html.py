"""The comparison as one self-contained HTML page: no script, nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.artifacts.evaluation import Evaluation
from prunegap.report.comparison import ComparisonRow
from prunegap.report.findings import CAVEAT, findings
from prunegap.report.gallery import Picture, draw_all
from prunegap.report.grids import comparison_grid, group_grid, group_quantities
from prunegap.report.groups import check_one_problem, sparsities_of, splits_of
from prunegap.report.html_parts import definitions_html, figure_html, page_html, table_html
from prunegap.report.seed_mean import plain_percent
from prunegap.report.terms import methods, terms

if TYPE_CHECKING:
    from prunegap.artifacts.history import History

TITLE = "What pruning costs each group"


def write_html(
    rows: Sequence[ComparisonRow],
    evaluations: Sequence[Evaluation],
    histories: Sequence[History],
    path: Path,
    *,
    code_version: str,
    parameters: Mapping[str, object] | None = None,
    pictures: Sequence[Picture] | None = None,
) -> None:
    """Write the page a product owner reads.

    Args:
        rows: the summary of ``evaluations``.
        evaluations: every run of one data set, target and grouping.
        histories: what fine-tuning did; those without constraints are skipped.
        path: the file to write.
        code_version: version of the program that made the results.
        parameters: parameters of the experiment, shown under "Provenance".
        pictures: what :func:`prunegap.report.gallery.draw_all` returned, to spare drawing twice.

    Raises:
        UserError: no evaluation, or evaluations of different data.
    """
    check_one_problem(evaluations)
    drawn = draw_all(rows, evaluations, histories) if pictures is None else pictures
    sparsities = sparsities_of(evaluations)
    body = [
        _heading(rows, sparsities),
        _in_short(rows, evaluations, sparsities),
        _comparison(rows, splits_of(evaluations)),
        *(_sparsity_section(evaluations, sparsity, drawn) for sparsity in sparsities),
        _terms(evaluations),
        _provenance(rows, code_version, parameters or {}),
    ]
    path.write_text(page_html(TITLE, "".join(body)), encoding="utf-8")


def _heading(rows: Sequence[ComparisonRow], sparsities: Sequence[float]) -> str:
    first = rows[0]
    what = f"{first.dataset}: predicting {first.target}, groups by {first.group}, model {first.model}"
    links = "".join(f'<a href="#{_anchor(value)}">{plain_percent(value)} % sparsity</a>' for value in sparsities)
    fixed = '<a href="#comparison">Comparison</a>'
    last = '<a href="#terms">Terms</a><a href="#provenance">Provenance</a>'
    return f'<h1>{TITLE}</h1><p class="dim">{escape(what)}</p><nav>{fixed}{links}{last}</nav>\n'


def _in_short(rows: Sequence[ComparisonRow], evaluations: Sequence[Evaluation], sparsities: Sequence[float]) -> str:
    parts = [f'<h2>In short</h2><p class="caveat">{escape(CAVEAT)}</p>']
    for sparsity in sparsities:
        found = findings(rows, evaluations, sparsity)
        items = "".join(f"<li><strong>{escape(name)}</strong>: {escape(text)}</li>" for name, text in found.hurt)
        parts.append(f"<h3>{plain_percent(sparsity)} % sparsity</h3><p>{escape(found.feasibility)}</p><ul>{items}</ul>")
    return "".join(parts)


def _comparison(rows: Sequence[ComparisonRow], splits: Sequence[str]) -> str:
    return '<h2 id="comparison">Comparison</h2>' + "".join(table_html(comparison_grid(rows, name)) for name in splits)


def _sparsity_section(evaluations: Sequence[Evaluation], sparsity: float, pictures: Sequence[Picture]) -> str:
    here = [picture for picture in pictures if picture.sparsity == sparsity]
    splits = splits_of([one for one in evaluations if one.sparsity == sparsity])
    parts = [f'<h2 id="{_anchor(sparsity)}">{plain_percent(sparsity)} % sparsity</h2>']
    parts += [figure_html(picture) for picture in here if picture.kind != "dynamics"]
    parts += [
        table_html(group_grid(evaluations, sparsity, split, quantity))
        for quantity in group_quantities(evaluations)
        for split in reversed(splits)
    ]
    dynamics = "".join(figure_html(picture) for picture in here if picture.kind == "dynamics")
    if dynamics:
        parts.append(f"<details><summary>Multipliers and violations while fine-tuning</summary>{dynamics}</details>")
    return "".join(parts)


def _anchor(sparsity: float) -> str:
    return f"sparsity-{plain_percent(sparsity)}"


def _terms(evaluations: Sequence[Evaluation]) -> str:
    shown = methods(evaluations)
    method_list = f"<h3>Methods</h3>{definitions_html(shown)}" if shown else ""
    return f'<h2 id="terms">Terms</h2>{definitions_html(terms(evaluations))}{method_list}'


def _provenance(rows: Sequence[ComparisonRow], code_version: str, parameters: Mapping[str, object]) -> str:
    first = rows[0]
    seeds = sorted({seed for row in rows for seed in row.seeds})
    known = {
        "data set": first.dataset,
        "target": first.target,
        "groups": first.group,
        "model": ", ".join(dict.fromkeys(row.model for row in rows)),
        "methods": ", ".join(dict.fromkeys(row.shown_name for row in rows)),
        "seeds": ", ".join(map(str, seeds)),
        "code version": code_version,
    }
    given = {f"parameter {name}": _plain(value) for name, value in parameters.items()}
    return f'<h2 id="provenance">Provenance</h2>{definitions_html(known | given)}'


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
