"""Pydantic's complaints in one line each: which key or flag, which rule, which value, the nearest valid name."""

import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from prunegap.errors import did_you_mean

Path = Sequence[str | int]


def explain(error: ValidationError, model: type[BaseModel], name_of: Callable[[Path], str]) -> list[str]:
    """Return one line for each problem.

    Args:
        error: what pydantic found.
        model: the model that was validated.
        name_of: how to name a field's path to the user (a YAML key, a flag).
    """
    return [_line(problem, model, name_of) for problem in error.errors()]


def yaml_key(path: Path) -> str:
    """Return a path as the dotted key of an experiment file."""
    return ".".join(str(part) for part in path)


def flag(path: Path) -> str:
    """Return a path as a command-line flag."""
    return "--" + str(path[0]).replace("_", "-") if path else ""


def _line(problem: Any, model: type[BaseModel], name_of: Callable[[Path], str]) -> str:  # noqa: ANN401
    path: Path = problem["loc"]
    name = name_of(path)
    if problem["type"] == "extra_forbidden":
        return f"{name}: unknown key{did_you_mean(str(path[-1]), valid_names(model, path[:-1]))}"
    if problem["type"] == "missing":
        return f"{name}: required, but not given"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{name}: {message}" if name else message
    return f"{name}: {message[:1].lower()}{message[1:]}, got {problem['input']!r}"


def valid_names(model: type[BaseModel], path: Path) -> list[str]:
    """Return the field names that are valid at ``path`` inside ``model``."""
    for part in path:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        inner = _model_in(model.model_fields[part].annotation)
        if inner is not None:
            model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any type expression
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)
