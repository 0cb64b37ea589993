"""Outputs of a pipeline whose every task stands inside an exit handler, where kfp's compiler takes none from."""

from typing import Any

from kfp.dsl.base_component import BaseComponent
from kfp.dsl.structures import OutputSpec


def with_outputs(pipeline: Any, task: str) -> BaseComponent:  # noqa: ANN401 - kfp's graph component
    """Return a pipeline with the outputs of one of its tasks, so that it can be a step of another pipeline.

    Args:
        pipeline: all of it inside one exit handler.
        task: name of the task in the exit handler's graph.
    """
    spec: Any = pipeline.pipeline_spec
    handler = next(
        name
        for name, one in spec.root.dag.tasks.items()
        if one.component_ref.name in spec.components and task in spec.components[one.component_ref.name].dag.tasks
    )
    inner = spec.components[spec.root.dag.tasks[handler].component_ref.name]
    made = spec.components[inner.dag.tasks[task].component_ref.name].output_definitions
    for graph, producer in ((inner, task), (spec.root, handler)):
        graph.output_definitions.CopyFrom(made)
        for name in made.artifacts:
            selector = graph.dag.outputs.artifacts[name].artifact_selectors.add()
            selector.producer_subtask, selector.output_artifact_key = producer, name
    pipeline.component_spec.outputs = {
        name: OutputSpec(type=f"{one.artifact_type.schema_title}@{one.artifact_type.schema_version}")
        for name, one in made.artifacts.items()
    }
    return pipeline
