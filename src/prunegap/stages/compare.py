"""compare: every evaluation side by side, over seeds, as CSV, plots and one HTML page."""

from dataclasses import dataclass

from pydantic import Field

from prunegap import __version__
from prunegap.artifacts.evaluation import load_evaluation, save_evaluations
from prunegap.artifacts.history import load_history
from prunegap.artifacts.manifest import read_manifest
from prunegap.report.comparison import row_metrics, summarise, write_comparison_csv
from prunegap.report.gallery import draw_all
from prunegap.report.groups import write_group_results_csv
from prunegap.report.html import write_html
from prunegap.report.tables import markdown_table
from prunegap.stages.contract import ComparisonPath, EvaluationPath, HistoryPath, StageParams, stage
from prunegap.tracking.protocol import Tracker


class CompareParams(StageParams):
    """Parameters of compare."""

    title: str = Field(default="", description="Title of the report; empty: the experiment's name.")


@dataclass(frozen=True)
class CompareInputs:
    """Artifacts compare reads."""

    evaluations: tuple[EvaluationPath, ...]
    histories: tuple[HistoryPath, ...]


@dataclass(frozen=True)
class CompareOutputs:
    """Artifacts compare writes."""

    comparison: ComparisonPath


@stage(shows={"table": "comparison/comparison.md", "report": "comparison/comparison.html"})
def compare(params: CompareParams, inputs: CompareInputs, outputs: CompareOutputs, tracker: Tracker) -> None:
    """Compare the methods over seeds: tables, plots and an HTML report."""
    evaluations = [load_evaluation(path) for path in inputs.evaluations]
    histories = [load_history(path) for path in inputs.histories]
    rows = summarise(evaluations)
    folder = outputs.comparison
    save_evaluations(folder, evaluations)
    write_comparison_csv(rows, folder / "comparison.csv")
    write_group_results_csv(evaluations, folder / "group_results.csv")
    (folder / "comparison.md").write_text(markdown_table(rows))
    pictures = draw_all(rows, evaluations, histories)
    for picture in pictures:
        (folder / f"{picture.name}.png").write_bytes(picture.png)
    write_html(
        rows,
        evaluations,
        histories,
        folder / "comparison.html",
        code_version=__version__,
        parameters=_provenance(params, inputs),
        pictures=pictures,
    )
    for row in rows:
        tracker.log_metrics(row_metrics(row))
    tracker.log_artifact(folder, "comparison")


def _provenance(params: CompareParams, inputs: CompareInputs) -> dict[str, object]:
    """Return what the first run of each method was made from, for the report."""
    first = read_manifest(inputs.evaluations[0], "evaluation")
    shown: dict[str, object] = {"title": params.title}
    shown |= {f"{name} sha256": digest for name, digest in first.inputs.items()}
    for path in inputs.histories:
        made_with = read_manifest(path, "history").parameters
        name = f"finetune {made_with['label'] or made_with['method']}"
        shown.setdefault(name, ", ".join(f"{key} {value}" for key, value in made_with.items() if key != "label"))
    return shown
