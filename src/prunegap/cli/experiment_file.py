"""An experiment from a YAML file and ``--set`` overrides."""

import copy
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prunegap.cli.explain import explain, yaml_key
from prunegap.errors import UserError
from prunegap.pipeline import SHARED, Experiment


def read_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read, override and validate an experiment.

    Args:
        path: the YAML file.
        overrides: ``key=value`` with a dotted key and a YAML value, e.g. ``prune.learning_rate=0.05``.

    Raises:
        UserError: no such file, not YAML, an unknown key or a value out of range; a line each.
    """
    raw = _read(path)
    for override in overrides:
        _apply(raw, override)
    try:
        return Experiment.model_validate(copy.deepcopy(raw))
    except ValidationError as error:
        lines = explain(error, Experiment, lambda key: _written_key(key, raw), SHARED)
        raise UserError("\n".join(_located(line, path, overrides) for line in lines)) from None


class OnceEach(yaml.SafeLoader):
    """Plain YAML, except that a key given twice is refused: YAML would silently drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping as plain values."""
        keys: list[Any] = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                problem=f"key '{twice}' is given twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(), OnceEach)  # noqa: S506 - it is a SafeLoader
    except FileNotFoundError:
        raise UserError(f"{path}: no such experiment file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {one_line(error)}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: an experiment is a mapping of keys to values, found {type(raw).__name__}")
    return raw


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override}: must be key=value, for example prune.learning_rate=0.05")
    try:
        value = yaml.load(text, OnceEach)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value is not valid YAML: {one_line(error)}") from None
    *parents, last = key.split(".")
    section = raw
    for parent in parents:
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise UserError(f"--set {override}: '{parent}' is no section of keys; set {parent} as a whole")
    section[last] = value


def one_line(error: yaml.YAMLError) -> str:
    """Return what is wrong with a YAML text, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"{getattr(error, 'problem', '')} (line {mark.line + 1}, column {mark.column + 1})"


def _written_key(key: Sequence[str | int], raw: dict[str, Any]) -> str:
    """Name a key where the user wrote it: what a stage took over from the top level or from ``finetune``, there."""
    section: Any = raw
    for part in key[:-1]:
        section = section[part] if isinstance(part, int) or (isinstance(section, dict) and part in section) else {}
    if len(key) > 1 and not (isinstance(section, dict) and key[-1] in section):
        if key[-1] in SHARED and key[-1] in raw:
            return str(key[-1])
        if key[0] == "methods" and isinstance(raw.get("finetune"), dict) and key[-1] in raw["finetune"]:
            return f"finetune.{key[-1]}"
    return yaml_key(key)


def _located(line: str, path: Path, overrides: Sequence[str]) -> str:
    """Begin a line with what holds the key that it begins with: an override of it, or else the file."""
    key, _, complaint = line.partition(": ")
    override = next((one for one in reversed(overrides) if one.partition("=")[0] == key), None)
    return f"{path}: {line}" if override is None else f"--set {override}: {complaint}"
