"""Small experiments, and what is compared of the workspaces they leave."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from prunegap.artifacts.manifest import Manifest, manifest_at
from prunegap.digests import sha256_of

METHODS = ["nft", "nft_es", "el_rb", "ceag"]


def experiment(**changes) -> dict[str, Any]:
    """Digits, one seed, one sparsity, two methods, a few large batches an epoch; sections are merged."""
    base: dict[str, Any] = {
        "name": "tiny",
        "threads": 1,
        "seeds": [0],
        "sparsities": [0.8],
        "methods": ["nft_es", "ceag"],
        "prepare_data": {"source": "digits", "validation_share": 0.1},
        "acquire_dense": {"epochs": 3, "learning_rate": 0.05},
        "prune": {"gmp_epochs": 3, "finetune_epochs": 3, "batch_size": 256},
        "finetune": {"tolerance": 0.02, "dual_step_size": 0.01},
    }
    for key, value in changes.items():
        base[key] = base[key] | value if isinstance(base.get(key), dict) and isinstance(value, dict) else value
    return base


def write_experiment(folder: Path, **changes) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(experiment(**changes), sort_keys=False))
    return path


def manifests(workspace: Path) -> dict[str, Manifest]:
    """Manifest of every artifact, by ``step/output``."""
    found = sorted(workspace.glob("steps/*/*/manifest.json"))
    return {f"{path.parent.parent.name}/{path.parent.name}": manifest_at(path.parent) for path in found}


def weights(workspace: Path) -> dict[str, str]:
    """sha256 of every file of tensors, by its path: images, weights, masks, optimizer states, outcomes."""
    files = sorted((workspace / "steps").rglob("*.safetensors"))
    return {str(path.relative_to(workspace)): sha256_of(path) for path in files}


def figures(workspace: Path) -> dict[str, Any]:
    """Every figure of the reports, evaluations and histories, save the seconds they took."""
    comparison = workspace / "steps/compare/comparison"
    tables = {name: rows_of(comparison / name) for name in ("comparison.csv", "group_results.csv")}
    records = sorted([*workspace.glob("steps/*/evaluation/*.json"), *workspace.glob("steps/*/history/*.json")])
    stored = {
        str(path.relative_to(workspace)): json.loads(path.read_text()) for path in records if path.stem != "manifest"
    }
    return _without_seconds({**tables, **stored})


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text().splitlines()))


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(one) for key, one in value.items() if key not in {"seconds", "seconds_sd"}}
    return [_without_seconds(one) for one in value] if isinstance(value, list) else value


def snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """When every file was written, how long it is, and its sha256."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size, sha256_of(path)) for path in files
    }


def half_written(folder: Path) -> list[str]:
    """What a step leaves behind only while it is at work."""
    found = [path for path in folder.rglob("*") if ".partial" in path.name or path.suffix == ".checkpoint"]
    return [str(path.relative_to(folder)) for path in sorted(found)]


def copy_of(workspace: Path, target: Path) -> Path:
    """Copy a workspace; times of writing are kept."""
    return shutil.copytree(workspace, target, copy_function=shutil.copy2)
