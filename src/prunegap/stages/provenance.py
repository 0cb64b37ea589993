"""Which step of which pipeline run made a result, and all that it was made from: kept with it, no part of its identity.

Kubeflow gives a run the cached result of another one without starting anything of ours: only the results themselves
can tell the run that made them.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from prunegap.artifacts.manifest import Manifest
from prunegap.tracking.environment import pipeline_run_id

Lineage: TypeAlias = Mapping[str, Mapping[str, Any]]
"""By the name of a step: ``pipeline_run`` that it was done in, and its ``tags``."""

ALONE: Lineage = MappingProxyType({})
LINEAGE, PIPELINE_RUN, TAGS = "lineage", "pipeline_run", "tags"


def made_in(step: str, tags: Mapping[str, str]) -> Lineage:
    """Return what a step of this pipeline run is noted as; nothing where a step stands alone."""
    run = pipeline_run_id()
    return {step: {PIPELINE_RUN: run, TAGS: dict(tags)}} if run else ALONE


def lineage_of(manifests: Iterable[Manifest]) -> Lineage:
    """Return every step behind some artifacts; one that this pipeline run did itself is not another's."""
    found: dict[str, Mapping[str, Any]] = {}
    for manifest in manifests:
        for step, made in manifest.made_on.get(LINEAGE, {}).items():
            if found.get(step, {}).get(PIPELINE_RUN) != pipeline_run_id():
                found[step] = made
    return found


def provenance(made: Lineage, inputs: Iterable[Manifest]) -> dict[str, Any]:
    """Return what a result's manifest notes of it: the steps behind its inputs, and its own."""
    return {LINEAGE: {**lineage_of(inputs), **made}} if made else {}
