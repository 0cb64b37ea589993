"""A stage as a Kubeflow container component: parameters, artifacts and descriptions come from its definition."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import click
from kfp import dsl
from kfp.dsl.base_component import BaseComponent
from kfp.dsl.types import type_annotations
from pydantic.fields import FieldInfo

from prunegap.cli.kubeflow_audit import (
    AUDIT,
    ENFORCE,
    FIGURES,
    LOCATION,
    OTHER,
    PARAMETERS,
    PREDICTIONS,
    REPORT,
    VERDICT,
)
from prunegap.cli.kubeflow_look import LOOK
from prunegap.cli.kubeflow_plan import EACH, ITEMS, LIST, PLAN
from prunegap.cli.kubeflow_task import MADE_FROM, METRICS, STEP, TAGS, TASK, single_names
from prunegap.cli.stage_command import bounds
from prunegap.pipeline.cells import VARIED, Cells
from prunegap.stages.contract import Port, Stage
from prunegap.stages.finetune import FinetuneParams

COMMAND: list[Any] = ["prunegap"]
OPEN_RUN, CLOSE_RUN = "open-run", "close-run"
LISTED = {"listed": "What a loop goes over."}
VIEW_TYPES: dict[str, type[dsl.Artifact]] = {".md": dsl.Markdown, ".html": dsl.HTML, ".json": dsl.ClassificationMetrics}


def stage_component(stage: Stage[..., Any], image: str) -> BaseComponent:
    """Return the component that carries out ``stage`` in a container.

    Its one argument is the executor input: what Kubeflow resolves reaches the stage as it is, unquoted and typed.

    Args:
        stage: the stage.
        image: image with the ``prunegap`` command; fixed when the component is made.
    """
    described: dict[str, str] = {}
    returned: dict[str, str] = {}
    signature: list[inspect.Parameter] = []

    def add(name: str, annotation: Any, description: str, default: Any = inspect.Parameter.empty) -> None:  # noqa: ANN401
        (returned if type_annotations.is_artifact_wrapped_in_Output(annotation) else described)[name] = description
        signature.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )

    for port in stage.inputs:
        if port.many:
            add(
                port.name,
                dsl.Input[list[artifact_type(port)]],
                f"Artifacts of kind {port.kind}: a loop's, collected.",
                None,
            )
            for name in single_names(port):
                add(
                    name, dsl.Input[artifact_type(port)], f"Artifact of kind {port.kind}, where there is no loop.", None
                )
        else:
            add(port.name, dsl.Input[artifact_type(port)], f"Artifact of kind {port.kind}.")
    for name, info in stage.params_type.model_fields.items():
        add(name, parameter_type(info.annotation), f"{info.description}{bounds(info)}", plain(info.default))
    add(STEP, str, "Name of the step in MLflow; empty: the stage's.", "")
    add(TAGS, dict, "Tags of the step in MLflow, e.g. seed, sparsity and method.", {})
    add(MADE_FROM, str, "Digest of the data and code behind the parameters: a part of Kubeflow's cache key.", "")
    for port in stage.outputs:
        add(port.name, dsl.Output[artifact_type(port)], f"Artifact of kind {port.kind}.")
    for view in stage.views:
        add(view.name, dsl.Output[VIEW_TYPES["." + view.file.rpartition(".")[2]]], f"{view.file} of {view.port}.")
    add(METRICS, dsl.Output[dsl.Metrics], "The stage's last overall metrics.")
    executor_input = dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER
    args = [TASK, stage.name, executor_input]
    return container_component(stage.name, documented(stage.summary, described, returned), signature, image, args)


def open_run_component(image: str) -> BaseComponent:
    """Return the component that opens a pipeline run's MLflow run, before any of its stages."""
    return container_component("open_run", "Open the MLflow run of the pipeline run.", [], image, [OPEN_RUN])


def close_run_component(image: str) -> BaseComponent:
    """Return the component that closes a pipeline run's MLflow run by how the pipeline ended: an exit handler."""

    def close_run(status: dsl.PipelineTaskFinalStatus) -> dsl.ContainerSpec:
        """Close the MLflow run of the pipeline run, also after a failure.

        Args:
            status: how the pipeline ended; Kubeflow fills it in.
        """
        return dsl.ContainerSpec(image=image, command=COMMAND, args=[CLOSE_RUN, cast("str", status)])

    return dsl.container_component(close_run)


def plan_component(image: str) -> BaseComponent:
    """Return the component that checks a run's list of cells and gives what its loops go over."""
    fields = {**Cells.model_fields, **{k: v for k, v in FinetuneParams.model_fields.items() if k not in VARIED}}
    described, signature = _taking(fields)
    summary = "Check a list of cells and give them by what they share: a pruned model each."
    return _listing(PLAN, documented(summary, described, LISTED), signature, image)


def audit_component(image: str) -> BaseComponent:
    """Return the component that judges the predictions of any two models: ``prunegap audit`` as a step."""
    described = {
        PREDICTIONS: "Table of another step: CSV, Parquet, or JSON as mlflow.log_table writes it.",
        OTHER: "Second table, with columns that the first lacks.",
        LOCATION: "Instead of an artifact: a path, an s3:// address, or runs:/RUN_ID/table.json.",
        **{name: option.help or "" for name, option in PARAMETERS.items()},
        ENFORCE: "Fail unless the verdict passes.",
    }
    returned = {
        FIGURES: "All figures, as JSON.",
        REPORT: "The page that people read.",
        VERDICT: "admissible, inadmissible or undecidable.",
    }
    table, kind = dsl.Input[dsl.Artifact], inspect.Parameter.KEYWORD_ONLY
    given: dict[str, tuple[Any, Any]] = {PREDICTIONS: (table, None), OTHER: (table, None), LOCATION: (str, "")}
    given |= {name: _of_option(option) for name, option in PARAMETERS.items()}
    given |= {ENFORCE: (bool, True)}
    outputs = {FIGURES: dsl.Output[dsl.Artifact], REPORT: dsl.Output[dsl.HTML], VERDICT: dsl.OutputPath(str)}
    signature = [
        inspect.Parameter(name, kind, annotation=annotation, default=default)
        for name, (annotation, default) in given.items()
    ]
    signature += [inspect.Parameter(name, kind, annotation=annotation) for name, annotation in outputs.items()]
    summary = "Judge any model by what it does to each group, from the predictions of two models."
    args = [AUDIT, dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
    return container_component("audit", documented(summary, described, returned), signature, image, args)


def _of_option(option: click.Option) -> tuple[type, Any]:
    """Return the type and default of the parameter that stands for an option of a command line."""
    if option.multiple:
        return list, inspect.Parameter.empty if option.required else []
    if option.is_flag:
        return bool, False
    of_type = {"float": float, "integer": int}.get(option.type.name, str)
    return of_type, inspect.Parameter.empty if option.required else option.default


def look_component(stage: Stage[..., Any], image: str) -> BaseComponent:
    """Return the component that looks at the data and code behind a stage's parameters, for the stage's cache key."""
    _, signature = _taking(stage.params_type.model_fields)
    signature.append(inspect.Parameter(MADE_FROM, inspect.Parameter.KEYWORD_ONLY, annotation=dsl.OutputPath(str)))
    summary = f"Look at the data and code behind the parameters of {stage.name}, whose result Kubeflow may have cached."
    documentation = documented(summary, {}, {MADE_FROM: "Their digest."})  # the parameters are told of in the stage's
    args = [LOOK, stage.name, dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
    return container_component(f"look_at_{stage.name}", documentation, signature, image, args)


def each_component(image: str) -> BaseComponent:
    """Return the component that hands a list on as its output, for a loop inside a loop."""
    signature = [inspect.Parameter(ITEMS, inspect.Parameter.KEYWORD_ONLY, annotation=list)]
    summary = "Hand a list on as an output, which a loop inside a loop can go over."
    return _listing(EACH, documented(summary, {ITEMS: "The list."}, LISTED), signature, image)


def _taking(fields: Mapping[str, FieldInfo]) -> tuple[dict[str, str], list[inspect.Parameter]]:
    """Return the descriptions and the signature of a component that takes these parameters."""
    empty, kind = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    described = {name: f"{info.description}{bounds(info)}" for name, info in fields.items()}
    defaults = {name: empty if info.is_required() else plain(info.default) for name, info in fields.items()}
    types = {name: parameter_type(info.annotation) for name, info in fields.items()}
    return described, [inspect.Parameter(name, kind, default=defaults[name], annotation=types[name]) for name in fields]


def _listing(command: str, documentation: str, signature: Sequence[inspect.Parameter], image: str) -> BaseComponent:
    """Return a component with one output, a list under the name that kfp refuses in a function's signature."""
    listed = inspect.Parameter("listed", inspect.Parameter.KEYWORD_ONLY, annotation=dsl.OutputPath(list))
    args = [command, dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
    name = command.replace("-", "_")
    component: Any = container_component(name, documentation, [*signature, listed], image, args)
    component.component_spec.outputs = {LIST: component.component_spec.outputs["listed"]}
    return component


def container_component(
    name: str, documentation: str, signature: Sequence[inspect.Parameter], image: str, args: Sequence[str]
) -> BaseComponent:
    """Return a container component whose interface is given as data: kfp reads it off a function's signature."""

    def of(*_: object) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=image, command=COMMAND, args=list(args))

    return dsl.container_component(with_interface(of, name, documentation, signature))


def with_interface(
    function: Callable[..., Any], name: str, documentation: str, signature: Sequence[inspect.Parameter]
) -> Callable[..., Any]:
    """Give a function the name, docstring and parameters that kfp reads off it."""
    function.__name__, function.__doc__ = name, documentation
    vars(function)["__signature__"] = inspect.Signature(list(signature))
    return function


def documented(summary: str, described: Mapping[str, str], returned: Mapping[str, str] | None = None) -> str:
    """Return a docstring from which kfp takes the descriptions of a component or pipeline."""
    lines = [summary]
    for heading, texts in (("Args:", described), ("Returns:", returned or {})):
        if texts:
            lines += ["", heading, *(f"    {name}: {' '.join(text.split())}" for name, text in texts.items())]
    return "\n".join(lines)


def artifact_type(port: Port) -> type[dsl.Artifact]:
    """Return Kubeflow's type for the artifact of a port."""
    return getattr(dsl, port.artifact.kubeflow)


def parameter_type(annotation: Any) -> type:  # noqa: ANN401 - any annotation of a parameter
    """Return Kubeflow's type for a parameter: a tuple is a list, a choice has the type of its values."""
    origin = typing.get_origin(annotation)
    if origin is tuple:
        return list
    if origin is typing.Literal:
        return type(typing.get_args(annotation)[0])
    return annotation


def plain(value: Any) -> Any:  # noqa: ANN401 - the value of a parameter
    """Return a parameter's value as Kubeflow takes it: a tuple as a list."""
    return list(value) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType]
