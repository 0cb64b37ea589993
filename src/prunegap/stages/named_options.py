"""Options that what a parameter names has alone: a list of name=value."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator


def own_options(given: Iterable[str]) -> dict[str, str]:
    """Return the values of ``name=value`` texts by name."""
    return {name.strip(): value for name, _, value in (option.partition("=") for option in given)}


def _have_names(options: tuple[str, ...]) -> tuple[str, ...]:
    names = [option.partition("=")[0].strip() for option in options]
    wrong = next((option for option, name in zip(options, names, strict=True) if not name or "=" not in option), None)
    if wrong is not None:
        raise ValueError(f"must be name=value, got '{wrong}'")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"give each option once, got '{twice}' twice")
    return options


OwnOptions = Annotated[tuple[str, ...], AfterValidator(_have_names)]
"""Texts of the form ``name=value``, each name once."""
