"""What a data set artifact is, in MLflow's words: name, digest, source, columns and counts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunegap.artifacts.manifest import manifest_at

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

DESCRIPTION = "dataset.json"
MAX_DIGEST = 36


def dataset_input(name: str, folder: Path) -> "DatasetInput":
    """Describe a sealed artifact from its manifest and ``dataset.json``."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest, path = manifest_at(folder).digest, folder / DESCRIPTION
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    source, schema = json.dumps({"uri": str(folder.absolute())}), json.dumps(_schema(raw))
    called = raw.get("source") or name
    dataset = Dataset(called, digest[:MAX_DIGEST], "local", source, schema, json.dumps(_profile(raw, digest)))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", name)])


def _schema(raw: dict[str, Any]) -> dict[str, Any]:
    if "image_shape" not in raw:
        return {"mlflow_colspec": []}
    columns = {
        "image": f"uint8 {raw['image_shape']}",
        "label": f"class, {len(raw['class_names'])} values",
        "group": f"group, {len(raw['group_names'])} values",
    }
    return {"mlflow_colspec": [{"name": name, "type": kind} for name, kind in columns.items()]}


def _profile(raw: dict[str, Any], digest: str) -> dict[str, Any]:
    counts: dict[str, Any] = raw.get("counts", {})
    profile: dict[str, Any] = {"sha256": digest, "counts": counts}
    if counts:
        profile["num_rows"] = sum(int(split["examples"]) for split in counts.values())
    return profile
