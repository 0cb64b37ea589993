"""What Kubeflow's pages show, and where. Truth: the metadata that kfp's own class writes, and the frontend of 2.17.0.

MetricsVisualizations.tsx refuses another number of rows than of names, and what is no number. StaticFlow.ts draws at a
level of the graph the outputs of the tasks there; those of a part (loop, exit handler) are the artifacts of the one
task that each is taken from.
"""

import json
from dataclasses import asdict

import pytest
import torch
from kfp import dsl
from walk import compiled

from prunegap.cli.kubeflow_classification import MOST_CLASSES, shown_classification
from prunegap.gaps import Outcomes, classification


def written(folder, classes, **splits):
    """Write classification.json of splits given as (labels, predicted, loss)."""
    made = {}
    for name, (labels, predicted, loss) in splits.items():
        outcomes = Outcomes(
            torch.tensor(predicted), torch.tensor(loss), torch.tensor(labels) == torch.tensor(predicted)
        )
        made[name] = asdict(classification(outcomes, torch.tensor(labels), classes))
    path = folder / "classification.json"
    path.write_text(json.dumps(made, allow_nan=False))
    return path


def test_the_metadata_are_those_of_kfps_own_class(tmp_path):
    labels, predicted = [0, 1, 1, 0], [0, 1, 0, 1]
    splits = {"train": ([1, 1], [0, 0], [2.0, 2.0]), "test": (labels, predicted, [0.1, 0.2, 0.9, 1.2])}
    shown = shown_classification(written(tmp_path, ["dark", "light"], **splits), "evaluate-ceag")
    official = dsl.ClassificationMetrics()
    official.log_confusion_matrix(["dark", "light"], [[1, 1], [1, 1]])
    points = shown["confidenceMetrics"]
    official.log_roc_curve(
        [point["falsePositiveRate"] for point in points],
        [point["recall"] for point in points],
        [point["confidenceThreshold"] for point in points],
    )
    assert shown.pop("display_name") == "evaluate-ceag, test"
    assert shown == official.metadata
    assert [(point["falsePositiveRate"], point["recall"]) for point in points] == [
        (0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "splits"), [(MOST_CLASSES + 1, ("test",)), (3, ("train",))], ids=["too many classes", "no test split"]
)
def test_what_no_page_can_show_is_left_out(tmp_path, count, splits):
    classes = [str(number) for number in range(count)]
    path = written(tmp_path, classes, **{name: ([0, 1], [1, 1], [0.5, 0.5]) for name in splits})
    assert shown_classification(path, "evaluate") == {}
    (tmp_path / "most").mkdir()
    most = written(tmp_path / "most", classes[:MOST_CLASSES], test=([0, 1], [1, 1], [0.5, 0.5]))
    shown = shown_classification(most, "evaluate")
    rows = shown["confusionMatrix"]["rows"]
    assert len(rows) == len(shown["confusionMatrix"]["annotationSpecs"]) == min(count, MOST_CLASSES)
    assert {len(row["row"]) for row in rows} == {len(rows)}
    assert "confidenceMetrics" not in shown


def test_verdict_groups_comparison_and_report_are_at_the_top_of_the_graph(tmp_path):
    spec, _ = compiled("smoke.yaml", tmp_path)
    (part,) = [
        spec["components"][task["componentRef"]["name"]]
        for task in spec["root"]["dag"]["tasks"].values()
        if "dag" in spec["components"][task["componentRef"]["name"]]
    ]
    shown = {name: one["artifactType"]["schemaTitle"] for name, one in part["outputDefinitions"]["artifacts"].items()}
    pages = {
        "groups": "system.Markdown",
        "table": "system.Markdown",
        "report": "system.HTML",
        "metrics": "system.Metrics",
    }
    assert shown == pages | {"comparison": "system.Artifact"}
    for name in shown:
        (selector,) = part["dag"]["outputs"]["artifacts"][name]["artifactSelectors"]
        assert selector == {"outputArtifactKey": name, "producerSubtask": "compare"}
