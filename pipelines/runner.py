"""The wiring of a run, compiled: each step becomes a Kubeflow task, the fan-out over seeds a loop."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from kfp import dsl
from kfp.dsl import PipelineTask

from components.component import plain, stage_component
from pipelines.resources import Resources, equip, runs_network
from prunegap.stages.contract import Stage, StageParams

P = TypeVar("P", bound=StageParams)
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")
U = TypeVar("U")

SEED = re.compile(r"-seed\{\{[^}]*\}\}")  # a step of a loop is drawn once, for all seeds


@dataclass(frozen=True)
class KubeflowRunner:
    """Makes a task of every step; to be used inside a pipeline function.

    Attributes:
        image: image of every stage.
        resources: what the tasks get.
        experiment: name of the MLflow experiment.
        cache: whether a task with a cached result is skipped.
    """

    image: str
    resources: Resources
    experiment: str
    cache: bool = True

    def run(self, step: str, stage: Stage[P, I, O], params: P, inputs: I, tags: Mapping[str, str]) -> O:
        """Make a task; parameters and inputs may be channels, and the outputs are channels."""
        values = {name: plain(getattr(params, name)) for name in stage.params_type.model_fields}
        artifacts: dict[str, Any] = {}
        lists = None
        for port in stage.inputs:
            given = getattr(inputs, port.name)
            if port.many:
                # Every step of the loop gives a list, one artifact a seed.
                lists = len(given)
                artifacts |= {f"{port.name}_{i}": dsl.Collected(one) for i, one in enumerate(given)}
            else:
                artifacts[port.name] = given
        component = stage_component(stage, self.image, lists)
        task: PipelineTask = component(**values, **artifacts, step=step, tags=dict(tags))
        task.set_caching_options(self.cache)
        task.set_display_name(SEED.sub("", step))
        equip(task, self.resources, self.experiment, heavy=runs_network(stage))
        return stage.outputs_type(**{port.name: task.outputs[port.name] for port in stage.outputs})

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Make a loop; its steps are written once, with the loop's item."""
        parallelism = self.resources.seeds_at_a_time or None
        loop: Any = dsl.ParallelFor(items=cast("Any", items), name="seeds", parallelism=parallelism)
        with loop as item:
            return [body(item)]
