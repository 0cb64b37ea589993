"""Pydantic's complaints in one line each: which key or flag, which rule, which value, the nearest valid name."""

import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from prunegap.errors import did_you_mean

Path = Sequence[str | int]

RULES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("model_type", "dict_type"), "must be a section of keys and values"),
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "string_pattern_mismatch": "must be of letters, digits, '_', '.' and '-', the first a letter or digit",
    "string_too_long": "must have at most {max_length} characters",
    "tuple_type": "must be a list, as in [a, b]",
    "too_short": "must have at least one entry",
    "greater_than": "must be > {gt:g}",
    "greater_than_equal": "must be >= {ge:g}",
    "less_than": "must be < {lt:g}",
    "less_than_equal": "must be <= {le:g}",
    "literal_error": "must be {expected}",
}


def explain(
    error: ValidationError, model: type[BaseModel], name_of: Callable[[Path], str], also: Sequence[str] = ()
) -> list[str]:
    """Return one line for each problem.

    Args:
        error: what pydantic found.
        model: the model that was validated.
        name_of: how to name a field's path to the user (a YAML key, a flag).
        also: names that are valid beside the fields of ``model`` itself.
    """
    lines = [_line(problem, model, name_of, also) for problem in error.errors() if not _follows_from_another(problem)]
    return list(dict.fromkeys(lines))


def yaml_key(path: Path) -> str:
    """Return a path as the dotted key of an experiment file."""
    return ".".join(str(part) for part in path)


def flag(path: Path) -> str:
    """Return a path as a command-line flag."""
    return "--" + str(path[0]).replace("_", "-") if path else ""


def _line(problem: Any, model: type[BaseModel], name_of: Callable[[Path], str], also: Sequence[str]) -> str:  # noqa: ANN401
    path: Path = problem["loc"]
    name = name_of(path)
    if problem["type"] == "extra_forbidden":
        valid = [*valid_names(model, path[:-1]), *(also if len(path) == 1 else ())]
        return f"{name}: unknown key{did_you_mean(str(path[-1]), valid)}"
    if problem["type"] == "missing":
        return f"{name}: required, but not given"
    if problem["type"] == "value_error":
        message = str(problem["msg"]).removeprefix("Value error, ")
        return f"{name}: {message}" if name else message
    return f"{name}: {_rule(problem)}, got {problem['input']!r}"


def _rule(problem: Any) -> str:  # noqa: ANN401
    rule = RULES.get(problem["type"])
    return str(problem["msg"]) if rule is None else rule.format(**problem.get("ctx", {}))


def _follows_from_another(problem: Any) -> bool:  # noqa: ANN401
    """Whether pydantic misses entries only because it refused them, which it says elsewhere."""
    return problem["type"] == "too_short" and len(problem["input"]) >= problem["ctx"]["min_length"]


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
