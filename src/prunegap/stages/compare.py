"""compare: every evaluation side by side, over seeds, as CSV, plots and one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import Field

from prunegap import __version__
from prunegap.artifacts.comparison import Comparison
from prunegap.artifacts.evaluation import Evaluation
from prunegap.artifacts.history import History
from prunegap.artifacts.verdict import Verdict
from prunegap.errors import UserError
from prunegap.report.differences import method_differences, write_differences_csv
from prunegap.report.groups import write_group_results_csv
from prunegap.report.summary import row_metrics, summarise, write_comparison_csv
from prunegap.report.tables import all_groups_markdown, markdown_table
from prunegap.stages.contract import stage
from prunegap.stages.params import StageParams


class CompareParams(StageParams):
    """Parameters of compare."""

    title: str = Field(default="", description="Title of the report; empty: the experiment's name.")


@stage
def compare(
    params: CompareParams, evaluations: tuple[Evaluation, ...], histories: tuple[History, ...], verdict: Verdict
) -> Comparison:
    """Compare the methods over seeds: tables, plots and an HTML report."""
    from prunegap.report.gallery import draw_all
    from prunegap.report.html import write_html

    _require_same_models(evaluations, verdict)
    rows = summarise(evaluations, verdict)
    differences = method_differences(evaluations)
    pictures = draw_all(rows, evaluations, histories)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_comparison_csv(rows, folder / "comparison.csv")
        write_group_results_csv(evaluations, folder / "group_results.csv")
        (folder / "comparison.md").write_text(markdown_table(rows), encoding="utf-8")
        (folder / "groups.md").write_text(
            all_groups_markdown(rows, evaluations, verdict, differences), encoding="utf-8"
        )
        write_differences_csv(differences, folder / "method_differences.csv")
        write_html(
            rows,
            evaluations,
            histories,
            verdict,
            folder / "comparison.html",
            code_version=__version__,
            parameters=_provenance(params, evaluations, histories),
            pictures=pictures,
            differences=differences,
        )
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files |= {f"{picture.name}.png": picture.drawing.png for picture in pictures}
    headline = {name: value for row in rows for name, value in row_metrics(row).items()}
    return Comparison(evaluations, verdict, files, headline, differences)


def _require_same_models(evaluations: Sequence[Evaluation], verdict: Verdict) -> None:
    judged = [one.made_from for one in verdict.models]
    if judged != [one.made_from for one in evaluations]:
        raise UserError("verdict: it is about other evaluations than those given, or in another order; make it anew")


def _provenance(
    params: CompareParams, evaluations: Sequence[Evaluation], histories: Sequence[History]
) -> dict[str, object]:
    """Return what the first run of each method was made from, for the report."""
    shown: dict[str, object] = {"title": params.title}
    shown |= {f"{name} sha256": digest for name, digest in evaluations[0].made_from.items()}
    for history in histories:
        told = ", ".join(f"{key} {value}" for key, value in history.parameters.items() if key != "label")
        shown.setdefault(f"finetune {history.shown_name}", told)
    return shown
