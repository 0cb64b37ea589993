"""The wiring of a run, compiled: each step becomes a Kubeflow task, each fan-out a loop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kfp import dsl
from kfp.dsl import PipelineTask
from kfp.dsl.for_loop import LoopArgumentVariable
from kfp.dsl.pipeline_channel import PipelineChannel
from prunegap_components.component import EACH, LIST, MADE_FROM, each_component, look_component, plain, stage_component

from prunegap.pipeline.wiring import Handles
from prunegap.stages.contract import Stage
from prunegap.stages.params import StageParams
from prunegap.tracking.final_status import LAST_STAGE
from prunegap_pipelines.resources import (
    Resources,
    equip,
    keep_packed,
    keeps_checkpoint,
    packed_on_claim,
    runs_network,
)

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class KubeflowRunner:
    """Makes a task of every step; to be used inside a pipeline function.

    Attributes:
        image: image of every stage.
        resources: what the tasks get.
        experiment: name of the MLflow experiment.
        defaults: of the pipeline's inputs, by name: a stage's code is looked at for these.
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
        """Make a task; parameters, tags and inputs may be channels, and the outputs are channels."""
        values = {name: plain(getattr(params, name)) for name in stage.params_type.model_fields}
        artifacts: dict[str, Any] = {}
        for port in stage.inputs:
            given = inputs[port.name]
            # A loop is written once: its one result stands for those of all iterations, also of a loop in a loop.
            artifacts[port.name] = dsl.Collected(*given) if port.many else given
        made_from = self._made_from(stage, params, values)
        component = stage_component(stage, self.image)
        task: PipelineTask = component(
            **values,
            **artifacts,
            step=step,
            tags=tags if isinstance(tags, PipelineChannel) else dict(tags),
            made_from=made_from,
        )
        # The last stage gives every run its own figures, and its record of what was cached.
        task.set_caching_options(self.cache and stage.name != LAST_STAGE)
        if not artifacts:
            task.after(self.first)
        task.set_display_name(stage.name)
        on_claim = packed_on_claim(stage, self.resources)
        equip(
            task,
            self.resources,
            self.experiment,
            heavy=runs_network(stage),
            data=on_claim or stage.reads_outside,
            checkpoint=keeps_checkpoint(stage),
        )
        if on_claim:
            keep_packed(task, self.resources)
        return {port.name: task.outputs[port.name] for port in stage.outputs}

    def _made_from(self, stage: Stage[..., Any], params: StageParams, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the digest of the data and code behind a task, for Kubeflow's cache key.

        What lies outside may change between two runs of one file: a task of each run looks at it. Where the method is
        that of a loop's item, the plan of the run has looked at the method's code.
        """
        method = getattr(params, "method", None)
        if isinstance(method, LoopArgumentVariable):
            return method.loop_argument.made_from
        if not stage.reads_outside:
            return stage.surroundings(self._concrete(params)).digest
        look: PipelineTask = look_component(stage, self.image)(**values).after(self.first)
        look.set_display_name(f"look at the data of {stage.name}").set_caching_options(enable_caching=False)
        equip(look, self.resources, self.experiment, heavy=False, data=True)
        return look.outputs[MADE_FROM]

    def _concrete(self, params: StageParams) -> StageParams:
        """Return the parameters with the pipeline's defaults in place of its inputs."""
        values = {name: getattr(params, name) for name in type(params).model_fields}
        named = {name: value.name for name, value in values.items() if isinstance(value, PipelineChannel)}
        known = {name: self.defaults[channel] for name, channel in named.items() if channel in self.defaults}
        return params.model_copy(update=known)

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Make a loop over a channel; its steps are written once, with the loop's item.

        Kubeflow's driver cannot loop over a key of a loop's item (it looks the key up again in every iteration, where
        it is no longer there): a task hands the list on as its own output.
        """
        listed: Any = items
        outermost = not isinstance(items, LoopArgumentVariable)
        if isinstance(items, LoopArgumentVariable):
            each: Any = each_component(self.image)(items=items)
            each.set_display_name(EACH).set_caching_options(self.cache)
            equip(each, self.resources, self.experiment, heavy=False)
            listed = each.outputs[LIST]
        parallelism = self.resources.prunings_at_a_time or None if outermost else None
        with dsl.ParallelFor(items=listed, parallelism=parallelism) as item:
            return [body(item)]  # pyright: ignore[reportArgumentType]
