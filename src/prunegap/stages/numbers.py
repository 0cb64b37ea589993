"""What a number in an experiment may be, beyond its bounds: the same on every platform."""

import typing
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

LARGEST = 2**53
"""Kubeflow keeps every number as a float of 64 bits: from here on not every whole number is one."""


class StrictNumbers(BaseModel):
    """A model whose numbers are finite, no booleans, and the same numbers on every platform."""

    model_config = ConfigDict(allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_no_booleans(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - of any field
        refuse_booleans(cls.model_fields[info.field_name or ""].annotation, value)
        return value

    @field_validator("*")
    @classmethod
    def _numbers_are_exact(cls, value: Any) -> Any:  # noqa: ANN401 - of any field
        refuse_inexact(value)
        return value


def refuse_booleans(annotation: Any, value: Any) -> None:  # noqa: ANN401 - a field's annotation, and anything
    """Refuse true and false where a number is wanted; pydantic takes them for 1 and 0.

    Raises:
        ValueError: ``value`` is, or a list that holds, a boolean, and the annotation knows numbers only.
    """
    kinds = _kinds(annotation)
    entries = value if isinstance(value, list | tuple) else [value]
    wrong = next((entry for entry in entries if isinstance(entry, bool)), None)
    if wrong is not None and kinds & {int, float} and bool not in kinds:
        raise ValueError(f"must be a number, got {str(wrong).lower()}")


def refuse_inexact(value: Any) -> None:  # noqa: ANN401 - a field's value
    """Refuse whole numbers that Kubeflow would make others of.

    Raises:
        ValueError: ``value`` is, or a tuple that holds, such a number.
    """
    entries = value if isinstance(value, tuple) else (value,)
    wrong = next((entry for entry in entries if isinstance(entry, int) and abs(entry) >= LARGEST), None)
    if wrong is not None:
        raise ValueError(f"must be below {LARGEST}, which Kubeflow keeps exactly, got {wrong}")


def _kinds(annotation: Any) -> set[type]:  # noqa: ANN401
    """Return the plain types in an annotation: those of a tuple's or union's parts, of a literal's values."""
    if typing.get_origin(annotation) is typing.Literal:
        return {type(value) for value in typing.get_args(annotation)}
    parts = typing.get_args(annotation)
    if parts:
        return {kind for part in parts for kind in _kinds(part)}
    return {annotation} if isinstance(annotation, type) else set()
