"""Rows of predictions whose counts are known, and how the command is told of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Write = Callable[..., Path]
Run = Callable[..., SimpleNamespace]


def table(sizes: Mapping[str, tuple[int, int, int]]) -> dict[str, list[Any]]:
    """Rows of groups of so many examples, of which some are lost and some gained; the other predictions are right."""
    rows: dict[str, list[Any]] = {"id": [], "y": [], "dense": [], "sparse": [], "who": []}
    for name, (examples, lost, gained) in sizes.items():
        for at in range(examples):
            truth = "cat" if at % 2 else "dog"
            rows["id"].append(f"{name}{at}")
            rows["y"].append(truth)
            rows["dense"].append("ant" if lost <= at < lost + gained else truth)
            rows["sparse"].append("ant" if at < lost else truth)
            rows["who"].append(name)
    return rows


OPEN = "no group is shown to be above it, and not shown to be within"
FINE = {"a": (3000, 60, 60), "b": (3000, 60, 60)}
HURT = {"a": (3000, 60, 60), "b": (300, 60, 0)}
SMALL = {"a": (3000, 60, 60), "b": (30, 1, 1)}
USUAL = ("--label", "y", "--before", "dense", "--after", "sparse", "--group", "who", "--tolerance", "0.02")
