"""What a data set artifact is, in MLflow's words: name, digest, source, columns and counts."""

import json
from pathlib import Path
from typing import Any

from prunegap.artifacts.manifest import manifest_at
from prunegap.tracking.records import Input

DESCRIPTION = "dataset.json"
MAX_DIGEST = 36


def artifact_digest(artifact: Path) -> str | None:
    """Return the digest of a sealed artifact, or None where no readable manifest is."""
    try:
        return manifest_at(artifact).digest
    except (OSError, ValueError, TypeError, KeyError):
        return None


def describe_input(artifact: Path, name: str) -> Input | None:
    """Describe a sealed artifact from its manifest and ``dataset.json``; None without a readable manifest."""
    digest = artifact_digest(artifact)
    if digest is None:
        return None
    path = artifact / DESCRIPTION
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return Input(
        name=name,
        digest=digest[:MAX_DIGEST],
        source=json.dumps({"uri": str(artifact.absolute())}),
        schema=json.dumps(_schema(raw)),
        profile=json.dumps(_profile(raw, digest)),
    )


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
