"""How a method treats each group beside another method on the same examples: a part of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class GroupDifference:
    """A group's excess accuracy gap under one method minus that under the other, a fraction, with its limits."""

    name: str
    count: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MethodDifference:
    """All groups at one sparsity on one split: positive where ``method`` hurts a group more than ``reference`` does."""

    sparsity: float
    split: str
    method: str
    reference: str
    seeds: Sequence[int]
    groups: Sequence[GroupDifference]


def plain_differences(differences: Sequence[MethodDifference]) -> list[dict[str, Any]]:
    """Return differences as JSON values."""
    return [asdict(one) for one in differences]


def read_differences(raw: Sequence[Mapping[str, Any]]) -> tuple[MethodDifference, ...]:
    """Return what :func:`plain_differences` made."""
    differences: list[MethodDifference] = []
    for one in raw:
        fields: dict[str, Any] = {**one, "groups": tuple(GroupDifference(**group) for group in one["groups"])}
        differences.append(MethodDifference(**fields))
    return tuple(differences)
