"""A stage as a Kubeflow container component: parameters, artifacts and descriptions come from its definition."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from kfp import dsl
from kfp.dsl.base_component import BaseComponent
from kfp.dsl.types import type_annotations

from prunegap.cli.kubeflow_task import MADE_FROM, METRICS, STEP, TAGS, TASK
from prunegap.cli.stage_command import bounds
from prunegap.stages.contract import Port, Stage

COMMAND: list[Any] = ["prunegap"]
OPEN_RUN, CLOSE_RUN = "open-run", "close-run"
VIEW_TYPES: dict[str, type[dsl.Artifact]] = {".md": dsl.Markdown, ".html": dsl.HTML, ".json": dsl.ClassificationMetrics}


def stage_component(stage: Stage[..., Any], image: str, lists: int | None = None, singles: int = 0) -> BaseComponent:
    """Return the component that carries out ``stage`` in a container.

    Its one argument is the executor input: what Kubeflow resolves reaches the stage as it is, unquoted and typed.

    Args:
        stage: the stage.
        image: image with the ``prunegap`` command; fixed when the component is made.
        lists: number of lists that an input of many artifacts is given as ``<input>_0``, ``<input>_1``, ...: one
            collected from each step of a loop. None: one list, under the input's own name.
        singles: number of inputs ``<input>_1``, ``<input>_2``, ... that stand beside the list of an input of many and
            take one artifact each, for pipelines without a loop: kfp makes no list of single artifacts. All optional.
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
        names = [port.name] if lists is None or not port.many else [f"{port.name}_{i}" for i in range(lists)]
        absent = None if singles and port.many else inspect.Parameter.empty
        for number in range(1, singles + 1 if port.many else 1):
            add(f"{port.name}_{number}", dsl.Input[artifact_type(port)], f"Artifact of kind {port.kind}.", None)
        for name in names:
            add(
                name,
                _input_type(port),
                f"Artifact of kind {port.kind}" + (", one a run." if port.many else "."),
                absent,
            )
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


def _input_type(port: Port) -> Any:  # noqa: ANN401 - an annotation
    kind = artifact_type(port)
    return dsl.Input[list[kind]] if port.many else dsl.Input[kind]
