"""``build_pipeline``: an experiment as a Kubeflow pipeline whose inputs are the parameters of its stages."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl
from kfp.dsl.base_component import BaseComponent
from prunegap_components.component import (
    LIST,
    OPEN_RUN,
    PLAN,
    close_run_component,
    documented,
    open_run_component,
    parameter_type,
    plain,
    plan_component,
    with_interface,
)
from pydantic.fields import FieldInfo

from prunegap.cli.stage_command import bounds
from prunegap.pipeline import STAGES, Experiment, prune_and_compare
from prunegap.pipeline.cells import VARIED
from prunegap.pipeline.experiment import varied_keys
from prunegap.stages.compare import compare
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap.stages.params import StageParams
from prunegap_pipelines.outputs import with_outputs
from prunegap_pipelines.resources import Resources, equip
from prunegap_pipelines.runner import KubeflowRunner

CELLS = "cells"
CELLS_TEXT = (
    "The cells of the run, in the order of its tables: seed, sparsity, tolerance and method of each, a label where a "
    "method is there twice, and any parameter of finetune that differs from finetune_<parameter>."
)
CHECKED = {"initial_sparsity": "prune_initial_sparsity", "validation_share": "prepare_data_validation_share"}
"""Inputs of the pipeline that the rules of cells need to know, by their name in the plan."""


def build_pipeline(experiment: Experiment, image: str, resources: Resources, *, cache: bool = True) -> BaseComponent:
    """Return the pipeline of an experiment.

    Its inputs are ``cells``, a list of seed, sparsity, tolerance, method and whatever else of ``finetune`` a cell sets
    for itself, and ``<stage>_<parameter>`` for every parameter that cells do not vary; their defaults are the
    experiment's values. Its outputs are those of ``compare``.

    Args:
        experiment: what to run.
        image: image of the stages, best by digest: Kubeflow caches on it.
        resources: what the tasks get.
        cache: whether a task with a cached result (same image, command and inputs) is skipped.
    """
    inputs = {one.name: one for one in _inputs(experiment)}

    def of(*channels: Any) -> None:  # noqa: ANN401 - kfp's channels
        given = dict(zip(inputs, channels, strict=True))
        close: Any = close_run_component(image)()
        close.set_display_name("close-run").set_caching_options(enable_caching=False)
        equip(close, resources, experiment.name, heavy=False)
        with dsl.ExitHandler(close, name="run"):
            opened: Any = open_run_component(image)()
            planned: Any = plan_component(image)(**_of_the_plan(experiment, given)).after(opened)
            for task, name in ((opened, OPEN_RUN), (planned, PLAN)):
                task.set_display_name(name).set_caching_options(enable_caching=False)
                equip(task, resources, experiment.name, heavy=False)
            defaults = {name: one.default for name, one in inputs.items()}
            runner = KubeflowRunner(image, resources, experiment.name, defaults, planned, cache)
            prune_and_compare(symbolic(experiment, given), runner, planned.outputs[LIST])

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = [inspect.Parameter(one.name, kind, default=one.default, annotation=one.type) for one in inputs.values()]
    summary = f"Prune, fine-tune and compare methods: {experiment.name}."
    documentation = documented(summary, {one.name: one.description for one in inputs.values()})
    given_to_kfp = with_interface(of, "prune_and_compare", documentation, signature)
    return with_outputs(dsl.pipeline(name=pipeline_name(experiment))(given_to_kfp), compare.name)


def pipeline_name(experiment: Experiment) -> str:
    """Return the experiment's name as Kubeflow takes it: lower-case letters, digits and hyphens."""
    return "prunegap-" + (re.sub(r"[^a-z0-9]+", "-", experiment.name.lower()).strip("-") or "experiment")


def symbolic(experiment: Experiment, channels: Mapping[str, Any]) -> Experiment:
    """Return the experiment with channels in place of what is known only when the pipeline runs."""

    def bound(params: StageParams, prefix: str) -> StageParams:
        named = {field: f"{prefix}_{field}" for field in type(params).model_fields}
        return params.model_copy(update={field: channels[name] for field, name in named.items() if name in channels})

    return experiment.model_copy(
        update={stage.name: bound(getattr(experiment, stage.name), stage.name) for stage in STAGES}
    )


def _of_the_plan(experiment: Experiment, channels: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the plan: the cells, and what is checked or completed with."""
    of_finetune = {name: f"{finetune.name}_{name}" for name in FinetuneParams.model_fields if name not in VARIED}
    named = {**of_finetune, "cells": CELLS, **CHECKED}
    return {name: channels[channel] for name, channel in named.items()} | {
        "per_seed": experiment.dense_seeds == "per_seed"
    }


@dataclass(frozen=True)
class _Input:
    name: str
    type: type
    default: Any
    description: str

    @classmethod
    def of(cls, name: str, info: FieldInfo, value: object) -> "_Input":
        return cls(name, parameter_type(info.annotation), plain(value), f"{info.description}{bounds(info)}")


def _inputs(experiment: Experiment) -> Iterator[_Input]:
    yield _Input(CELLS, list, experiment.plain_cells(), CELLS_TEXT)
    left_out = {name: set(keys) for name, keys in varied_keys(experiment.dense_seeds).items()}
    left_out[finetune.name] = set(VARIED)
    for stage in STAGES:
        params = getattr(experiment, stage.name)
        for field, info in stage.params_type.model_fields.items():
            if field not in left_out.get(stage.name, set()):
                value = getattr(params, field)
                title = field == "title" and not value
                yield _Input.of(f"{stage.name}_{field}", info, experiment.name if title else value)
