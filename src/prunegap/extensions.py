"""What a package may add: one entry point in one of our groups, ours registered the same way.

The names are read without importing anything, so that a command line can list and check them; the object behind
a name is imported when it is used.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from prunegap.errors import UserError, did_you_mean
from prunegap.source_code import code_digest

Group = Literal["formulations", "methods", "pruning_rules", "controllers", "sources", "models", "statistics"]
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
_SINGULAR: Mapping[str, str] = {
    "formulations": "method",
    "methods": "method",
    "pruning_rules": "pruning rule",
    "controllers": "controller",
    "sources": "source",
    "models": "model",
    "statistics": "statistic",
}


@cache
def extensions(group: Group) -> Mapping[str, EntryPoint]:
    """Return the entry points of ``prunegap.<group>`` by name, in the order of their names.

    Raises:
        UserError: two packages add the same name.
    """
    full_name = f"prunegap.{group}"
    found = {point.name: point for point in _ours(full_name)}
    for point in entry_points(group=full_name):
        known = found.setdefault(point.name, point)
        if known.value != point.value:
            raise UserError(
                f"{_SINGULAR[group]} '{point.name}' is added twice, by {known.value} and {point.value}; "
                "uninstall one of the two packages, or have one renamed"
            )
    return dict(sorted(found.items()))


def extension(group: Group, name: str) -> Any:  # noqa: ANN401 - the group says what it is
    """Import and return the object behind a name.

    Raises:
        UserError: no such name, or its package cannot be imported.
    """
    point = entry_point(group, name)
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{_SINGULAR[group]} '{name}' cannot be loaded from {point.value} ({error}); correct or uninstall its "
            "package"
        ) from error


def require_options(group: Group, name: str, given: Iterable[str], parameter: str) -> None:
    """Refuse options that the object behind a name has not: its keyword-only arguments are those it has.

    Args:
        group: of the name.
        name: of what the options are for.
        given: names of options.
        parameter: what sets them, for the message.

    Raises:
        UserError: an option it has not, or as :func:`extension`.
    """
    arguments = signature(extension(group, name)).parameters.values()
    known = [one.name for one in arguments if one.kind is one.KEYWORD_ONLY]
    stray = next((option for option in given if option not in known), None)
    if stray is not None:
        hint = did_you_mean(stray, known) if known else "; it has none"
        raise UserError(f"{parameter}: {_SINGULAR[group]} '{name}' has no option '{stray}'{hint}")


def entry_point(group: Group, name: str) -> EntryPoint:
    """Return the entry point behind a name, nothing imported.

    Raises:
        UserError: no such name.
    """
    known = extensions(group)
    if name not in known:
        raise UserError(f"{_SINGULAR[group]} '{name}' is not known{did_you_mean(name, known)}")
    return known[name]


def extension_code(group: Group, name: str) -> dict[str, str]:
    """Return the digest of the code behind a name, to which no import of ours leads, by what it is the code of.

    Raises:
        UserError: no such name.
    """
    return {f"the code of {_SINGULAR[group]} {name}": code_digest(entry_point(group, name).module)}


def _ours(group: str) -> list[EntryPoint]:
    """Return our own entry points; in a source tree that is not installed, as pyproject.toml states them."""
    try:
        installed = [point for point in distribution("prunegap").entry_points if point.group == group]
    except PackageNotFoundError:
        installed = []
    if installed or not PYPROJECT.is_file():
        return installed
    stated = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"].get("entry-points", {}).get(group, {})
    return [EntryPoint(name, value, group) for name, value in stated.items()]
