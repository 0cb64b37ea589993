"""The one function that wires the stages of a run.

A runner decides how a stage is carried out: in this process, as a compose service, as a Kubeflow task. While a
pipeline is compiled, a parameter or a seed may be a channel that has its value only when the pipeline runs:
values are passed along here, never computed with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from prunegap.pipeline.experiment import Experiment, Level
from prunegap.stages.acquire_dense import acquire_dense
from prunegap.stages.compare import compare
from prunegap.stages.contract import Stage, StageParams
from prunegap.stages.evaluate import evaluate
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap.stages.measure_baseline import measure_baseline
from prunegap.stages.prepare_data import prepare_data
from prunegap.stages.prune import prune

T = TypeVar("T")
U = TypeVar("U")
Handles = Mapping[str, Any]
"""Artifacts by the name of their port: paths, or a compiler's channels."""


class Runner(Protocol):
    """Carries out the steps of a pipeline."""

    def run(
        self, step: str, stage: Stage[..., Any], params: StageParams, inputs: Handles, tags: Mapping[str, str]
    ) -> Handles:
        """Carry out one stage under a step name that is unique in the pipeline; return its outputs."""
        ...

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Carry out ``body`` for every item, in any order or at once; return the results in order.

        A runner that compiles a loop calls ``body`` once, with the loop's item, and returns its one result.
        """
        ...


def prune_and_compare(experiment: Experiment, runner: Runner) -> Handles:
    """Wire the whole run: one data set, dense models, seeds x sparsities x methods, one comparison.

    Seeds are alike and fan out; each sparsity and method has settings of its own. What can be shared is: one dense
    model for all seeds (or one a seed), one pruned model for all methods of a seed and sparsity.
    """
    data = runner.run("prepare_data", prepare_data, experiment.prepare_data, {}, {})
    shared = None if experiment.dense_seeds == "per_seed" else _dense(experiment, runner, data, None)

    def one_seed(seed: int) -> list[Handles]:
        dense = shared or _dense(experiment, runner, data, seed)
        return [result for level in experiment.sparsities for result in _cell(experiment, runner, dense, level, seed)]

    results = [result for of_seed in runner.fan_out(experiment.seeds, one_seed) for result in of_seed]
    return runner.run(
        "compare",
        compare,
        experiment.compare.model_copy(update={"title": experiment.compare.title or experiment.name}),
        {
            "evaluations": tuple(result["evaluation"] for result in results),
            "histories": tuple(result["history"] for result in results),
        },
        {},
    )


def _dense(experiment: Experiment, runner: Runner, data: Handles, seed: int | None) -> Handles:
    """Wire a dense model; return it with its data set and baseline."""
    params = experiment.acquire_dense
    if seed is not None:
        params = params.model_copy(update={"seed": seed})
    suffix, tags = "" if seed is None else f"-seed{seed}", {"seed": str(params.seed)}
    dataset = data["dataset"]
    acquired = runner.run(f"acquire_dense{suffix}", acquire_dense, params, {"dataset": dataset}, tags)
    known = {"dataset": dataset, "dense_model": acquired["dense_model"]}
    measured = runner.run(f"measure_baseline{suffix}", measure_baseline, experiment.measure_baseline, known, tags)
    return known | {"baseline": measured["baseline"]}


def _cell(experiment: Experiment, runner: Runner, dense: Handles, level: Level, seed: int) -> list[Handles]:
    """Wire one seed at one sparsity: all methods continue from the same pruned state."""
    cell = f"sparsity{level.sparsity * 100:g}-seed{seed}"
    tags = {"seed": str(seed), "sparsity": f"{level.sparsity:g}"}
    params = experiment.prune.model_copy(update={"sparsity": level.sparsity, "seed": seed})
    sparse_model = runner.run(f"prune-{cell}", prune, params, dense, tags)["sparse_model"]
    measured = {"dataset": dense["dataset"], "baseline": dense["baseline"]}

    def one(method: FinetuneParams) -> Handles:
        tolerance = method.tolerance if level.tolerance is None else level.tolerance
        name, named = f"{cell}-{method.shown_name}", tags | {"method": method.method}
        if method.label:
            named["label"] = method.label
        params = method.model_copy(update={"tolerance": tolerance})
        finetuned = runner.run(f"finetune-{name}", finetune, params, measured | {"sparse_model": sparse_model}, named)
        judged = measured | {"finetuned_model": finetuned["finetuned_model"]}
        judging = experiment.evaluate.model_copy(update={"tolerance": tolerance})
        evaluated = runner.run(f"evaluate-{name}", evaluate, judging, judged, named)
        return {"evaluation": evaluated["evaluation"], "history": finetuned["history"]}

    return [one(method) for method in experiment.methods]
