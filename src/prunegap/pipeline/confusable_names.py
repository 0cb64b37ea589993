"""Names of an experiment that one of the platforms would take for each other.

An experiment means the same everywhere, so it is refused everywhere, also where these names would do.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from prunegap.tracking.names import slug

Rewriting = Callable[[str], str]


REWRITINGS: Mapping[str, Rewriting] = {
    "a folder on a disk or a host name in compose, which take no account of case": str.lower,
    "a run or a metric in MLflow": lambda name: slug(name).lower(),
}
"""What the platforms make of a method's name, by where."""


def same_methods(labels: Sequence[str]) -> str:
    """Return which two methods a platform would take for each other, and where; empty if none would.

    Args:
        labels: names of the methods in tables.
    """
    for place, rewritten in REWRITINGS.items():
        for one, other in combinations(labels, 2):
            if rewritten(one) == rewritten(other):
                return f"{one} and {other} would be the same as {place} ({rewritten(one)})"
    return ""


def same_sparsities(sparsities: Sequence[float]) -> str:
    """Return which two sparsities are written alike in names of steps, files and tables; empty if none are."""
    for one, other in combinations(sparsities, 2):
        for written in (lambda value: f"{value:g}", lambda value: f"{value * 100:g} %"):
            if written(one) == written(other):
                return f"{one} and {other} are both written {written(one)}"
    return ""
