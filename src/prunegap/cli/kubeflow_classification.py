"""A confusion matrix and a ROC curve in the words of Kubeflow's ``ClassificationMetrics``.

Its pages and its comparison of runs read them from the artifact's metadata, not from its file.
"""

import json
from pathlib import Path
from typing import Any

MOST_CLASSES = 100  # a row and a column each; the server of metadata takes messages of 4 MB


def shown_classification(path: Path, step: str) -> dict[str, Any]:
    """Return how a model classifies the test split in the words of Kubeflow's ``ClassificationMetrics``.

    Its pages show nothing where there is no test split, or more than 100 classes.
    """
    shown: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("test", {})
    if not shown or len(shown["classes"]) > MOST_CLASSES:
        return {}
    metadata: dict[str, Any] = {
        "display_name": f"{step}, test",
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": name} for name in shown["classes"]],
            "rows": [{"row": row} for row in shown["confusion"]],
        },
    }
    if shown["roc"]:
        metadata["confidenceMetrics"] = [
            {
                "confidenceThreshold": point["threshold"],
                "recall": point["true_positive_rate"],
                "falsePositiveRate": point["false_positive_rate"],
            }
            for point in shown["roc"]
        ]
    return metadata
