"""An experiment from a YAML file and ``--set`` overrides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prunegap.cli.explain import explain, yaml_key
from prunegap.errors import UserError
from prunegap.pipeline import Experiment


def read_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read, override and validate an experiment.

    Args:
        path: the YAML file.
        overrides: ``key=value`` with a dotted key and a YAML value, e.g. ``prune.sparsity=0.95``.

    Raises:
        UserError: no such file, not YAML, an unknown key or a value out of range; a line each.
    """
    raw = _read(path)
    for override in overrides:
        _apply(raw, override)
    try:
        return Experiment.model_validate(raw)
    except ValidationError as error:
        lines = explain(error, Experiment, yaml_key)
        raise UserError("\n".join(f"{path}: {line}" for line in dict.fromkeys(lines))) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such experiment file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: an experiment is a mapping of keys to values, found {type(raw).__name__}")
    return raw


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override}: must be key=value, for example prune.sparsity=0.95")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value is not valid YAML: {' '.join(str(error).split())}") from None
    *parents, last = key.split(".")
    section = raw
    for parent in parents:
        inner = section.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UserError(f"--set {override}: '{parent}' is a value, not a section")
        section = inner
    section[last] = value
