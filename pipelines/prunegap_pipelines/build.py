"""``build_pipeline``: an experiment as a Kubeflow pipeline whose inputs are the parameters of its stages."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl
from kfp.dsl.base_component import BaseComponent
from prunegap_components.component import (
    close_run_component,
    documented,
    open_run_component,
    parameter_type,
    plain,
    with_interface,
)
from pydantic.fields import FieldInfo

from prunegap.cli.stage_command import bounds
from prunegap.pipeline import STAGES, Experiment, prune_and_compare
from prunegap.pipeline.confusable_names import kubeflow_prefix
from prunegap.pipeline.experiment import WHICH_METHOD, varied_keys
from prunegap.stages.contract import StageParams
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap_pipelines.resources import Resources, equip
from prunegap_pipelines.runner import KubeflowRunner

SEEDS = "seeds"


def build_pipeline(experiment: Experiment, image: str, resources: Resources, *, cache: bool = True) -> BaseComponent:
    """Return the pipeline of an experiment.

    Its inputs are ``seeds``, ``<stage>_<parameter>`` for every parameter that a run does not vary itself, and
    ``<method>_<parameter>`` for what a method sets differently from ``finetune``; their defaults are the
    experiment's values. Sparsities and methods make the pipeline's shape and are fixed here.

    Args:
        experiment: what to run.
        image: image of the stages, best by digest: Kubeflow caches on it.
        resources: what the tasks get.
        cache: whether a task with a cached result (same image, command and inputs) is skipped.

    Raises:
        ValueError: two inputs of one name, which no experiment that was validated has.
    """
    inputs: dict[str, _Input] = {}
    for one in _inputs(experiment):
        if one.name in inputs:
            raise ValueError(f"the pipeline would have two inputs '{one.name}'")
        inputs[one.name] = one

    def of(*channels: Any) -> None:  # noqa: ANN401 - kfp's channels
        close: Any = close_run_component(image)()
        close.set_display_name("close-run").set_caching_options(enable_caching=False)
        equip(close, resources, experiment.name, heavy=False)
        with dsl.ExitHandler(close, name="run"):
            opened: Any = open_run_component(image)()
            opened.set_display_name("open-run").set_caching_options(enable_caching=False)
            equip(opened, resources, experiment.name, heavy=False)
            given = symbolic(experiment, dict(zip(inputs, channels, strict=True)))
            defaults = {name: one.default for name, one in inputs.items()}
            prune_and_compare(given, KubeflowRunner(image, resources, experiment.name, defaults, opened, cache))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = [inspect.Parameter(one.name, kind, default=one.default, annotation=one.type) for one in inputs.values()]
    summary = f"Prune, fine-tune and compare methods: {experiment.name}."
    documentation = documented(summary, {one.name: one.description for one in inputs.values()})
    given_to_kfp = with_interface(of, "prune_and_compare", documentation, signature)
    pipeline: Any = dsl.pipeline(name=pipeline_name(experiment))(given_to_kfp)
    _drop_undeclared(pipeline.pipeline_spec)
    return pipeline


def pipeline_name(experiment: Experiment) -> str:
    """Return the experiment's name as Kubeflow takes it: lower-case letters, digits and hyphens."""
    return "prunegap-" + (re.sub(r"[^a-z0-9]+", "-", experiment.name.lower()).strip("-") or "experiment")


def symbolic(experiment: Experiment, channels: Mapping[str, Any]) -> Experiment:
    """Return the experiment with channels in place of what is known only when the pipeline runs."""

    def bound(params: StageParams, *prefixes: str) -> StageParams:
        names = {field: [f"{prefix}_{field}" for prefix in prefixes] for field in type(params).model_fields}
        found = {field: next((name for name in given if name in channels), None) for field, given in names.items()}
        return params.model_copy(update={field: channels[name] for field, name in found.items() if name})

    stages = {stage.name: bound(getattr(experiment, stage.name), stage.name) for stage in STAGES}
    methods = tuple(bound(method, kubeflow_prefix(method.shown_name), finetune.name) for method in experiment.methods)
    return experiment.model_copy(update={**stages, "methods": methods, SEEDS: channels[SEEDS]})


def _drop_undeclared(spec: Any) -> None:  # noqa: ANN401 - kfp's message
    """Take out inputs that refer to nothing: kfp hands the item of a loop to the exit handler around the loop."""
    declared = set(spec.root.input_definitions.parameters)
    for task in spec.root.dag.tasks.values():
        given = task.inputs.parameters
        for name in [name for name in given if given[name].component_input_parameter not in {"", *declared}]:
            del given[name]
            del spec.components[task.component_ref.name].input_definitions.parameters[name]


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
    yield _Input(SEEDS, list, list(experiment.seeds), "A run a seed: its pruning, fine-tuning and evaluation.")
    left_out = {name: set(keys) for name, keys in varied_keys(experiment.dense_seeds).items()}
    left_out[finetune.name] = set(WHICH_METHOD)
    for stage in STAGES:
        params = getattr(experiment, stage.name)
        for field, info in stage.params_type.model_fields.items():
            if field not in left_out.get(stage.name, set()):
                value = getattr(params, field)
                title = field == "title" and not value
                yield _Input.of(f"{stage.name}_{field}", info, experiment.name if title else value)
    for method in experiment.methods:
        for field, info in FinetuneParams.model_fields.items():
            value = getattr(method, field)
            if field not in WHICH_METHOD and value != getattr(experiment.finetune, field):
                yield _Input.of(f"{kubeflow_prefix(method.shown_name)}_{field}", info, value)
