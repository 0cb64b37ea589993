"""Whether two runs found the same to the bit; how many seconds a stage took is the one thing that may differ."""

import csv
import json
from pathlib import Path

VARYING = {"seconds", "prunegap_version"}


def figures(comparison: Path) -> dict[str, object]:
    """Return everything a comparison holds but times and pictures, whose file also shows times."""
    found: dict[str, object] = {}
    for name in ("comparison.csv", "group_results.csv"):
        with (comparison / name).open() as file:
            rows = list(csv.DictReader(file))
        found[name] = [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]
    found["evaluations"] = without_seconds(json.loads((comparison / "evaluations.json").read_text()))
    return found


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key not in VARYING}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


def models(folder: Path) -> list[bytes]:
    """Return the bytes of every fine-tuned model's weights and masks below a folder, in the order of their content."""
    return sorted(path.read_bytes() for path in folder.rglob("finetuned_model/*.safetensors"))
