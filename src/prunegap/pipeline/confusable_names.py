"""Names of an experiment that one of the platforms would take for each other.

An experiment means the same everywhere, so it is refused everywhere, also where these names would do.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations

from prunegap.tracking.names import slug

Rewriting = Callable[[str], str]


def kubeflow_prefix(label: str) -> str:
    """Return what a method's inputs of a Kubeflow pipeline begin with: lower-case letters, digits and single ``_``."""
    name = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    return name if name[:1].isalpha() else f"method_{name}"


REWRITINGS: Mapping[str, Rewriting] = {
    "a folder on a disk or a host name in compose, which take no account of case": str.lower,
    "an input of a Kubeflow pipeline": kubeflow_prefix,
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


def same_inputs(sections: Mapping[str, Collection[str]], labels: Sequence[str], fields: Collection[str]) -> str:
    """Return which two parameters would be, or seem, one input of a Kubeflow pipeline; empty if none would.

    Args:
        sections: parameters by stage.
        labels: names of the methods in tables, each with inputs of its own.
        fields: parameters that a method may set for itself.
    """
    stage = next((label for label in labels if kubeflow_prefix(label) in sections), None)
    if stage is not None:
        return f"method {stage} is called like a stage ({kubeflow_prefix(stage)}) in the inputs of a Kubeflow pipeline"
    taken: dict[str, str] = {}
    for name, meaning in _inputs(sections, labels, fields):
        if name in taken:
            return f"{taken[name]} and {meaning} would be the same input of a Kubeflow pipeline ({name})"
        taken[name] = meaning
    return ""


def _inputs(
    sections: Mapping[str, Collection[str]], labels: Sequence[str], fields: Collection[str]
) -> Iterator[tuple[str, str]]:
    yield "seeds", "the seeds"
    for section, parameters in sections.items():
        for parameter in parameters:
            yield f"{section}_{parameter}", f"{section}.{parameter}"
    for label in labels:
        for field in fields:
            yield f"{kubeflow_prefix(label)}_{field}", f"{field} of method {label}"
