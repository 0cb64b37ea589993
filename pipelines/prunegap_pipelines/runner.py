"""The wiring of a run, compiled: each step becomes a Kubeflow task, the fan-out over seeds a loop."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from kfp import dsl
from kfp.dsl import PipelineTask
from kfp.dsl.pipeline_channel import PipelineChannel
from prunegap_components.component import plain, stage_component

from prunegap.pipeline.wiring import Handles
from prunegap.stages.contract import Stage, StageParams
from prunegap.tracking.final_status import LAST_STAGE
from prunegap_pipelines.resources import Resources, equip, runs_network

T = TypeVar("T")
U = TypeVar("U")

logger = logging.getLogger(__name__)

SEED = re.compile(r"-seed\{\{[^}]*\}\}")  # a step of a loop is drawn once, for all seeds


@dataclass(frozen=True)
class KubeflowRunner:
    """Makes a task of every step; to be used inside a pipeline function.

    Attributes:
        image: image of every stage.
        resources: what the tasks get.
        experiment: name of the MLflow experiment.
        defaults: of the pipeline's inputs, by name: data and code are looked at for these.
        first: the task that everything waits for.
        cache: whether a task with a cached result is skipped.
    """

    image: str
    resources: Resources
    experiment: str
    defaults: Mapping[str, Any]
    first: PipelineTask
    cache: bool = True

    def run(
        self, step: str, stage: Stage[..., Any], params: StageParams, inputs: Handles, tags: Mapping[str, str]
    ) -> Handles:
        """Make a task; parameters and inputs may be channels, and the outputs are channels."""
        values = {name: plain(getattr(params, name)) for name in stage.params_type.model_fields}
        artifacts: dict[str, Any] = {}
        lists = None
        for port in stage.inputs:
            given = inputs[port.name]
            if port.many:
                # Every step of the loop gives a list, one artifact a seed.
                lists = len(given)
                artifacts |= {f"{port.name}_{i}": dsl.Collected(one) for i, one in enumerate(given)}
            else:
                artifacts[port.name] = given
        component = stage_component(stage, self.image, lists)
        made_from = stage.surroundings(self._concrete(params))
        task: PipelineTask = component(**values, **artifacts, step=step, tags=dict(tags), made_from=made_from.digest)
        if made_from.not_looked_at:
            logger.warning(
                "%s: is not cached, for what it reads cannot be looked at from here: %s",
                step,
                ", ".join(made_from.not_looked_at),
            )
        # The last stage gives every run its own figures, and its record of what was cached.
        task.set_caching_options(self.cache and not made_from.not_looked_at and stage.name != LAST_STAGE)
        if not artifacts:
            task.after(self.first)
        task.set_display_name(SEED.sub("", step))
        equip(task, self.resources, self.experiment, heavy=runs_network(stage))
        return {port.name: task.outputs[port.name] for port in stage.outputs}

    def _concrete(self, params: StageParams) -> StageParams:
        """Return the parameters with the pipeline's defaults in place of its inputs."""
        values = {name: getattr(params, name) for name in type(params).model_fields}
        named = {name: value.name for name, value in values.items() if isinstance(value, PipelineChannel)}
        known = {name: self.defaults[channel] for name, channel in named.items() if channel in self.defaults}
        return params.model_copy(update=known)

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Make a loop; its steps are written once, with the loop's item."""
        parallelism = self.resources.seeds_at_a_time or None
        loop: Any = dsl.ParallelFor(items=cast("Any", items), name="seeds", parallelism=parallelism)
        with loop as item:
            return [body(item)]
