"""The one function that wires the stages of a run.

A runner decides how a stage is carried out: in this process, as a compose service, as a Kubeflow task. While a
pipeline is compiled, a parameter or a seed may be a channel that has its value only when the pipeline runs:
values are passed along here, never computed with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from prunegap.pipeline.experiment import Experiment, Level
from prunegap.stages.acquire_dense import (
    AcquireDenseInputs,
    AcquireDenseOutputs,
    acquire_dense,
)
from prunegap.stages.compare import CompareInputs, CompareOutputs, compare
from prunegap.stages.contract import Stage, StageParams
from prunegap.stages.evaluate import EvaluateInputs, EvaluateOutputs, evaluate
from prunegap.stages.finetune import FinetuneInputs, FinetuneOutputs, FinetuneParams, finetune
from prunegap.stages.measure_baseline import MeasureBaselineInputs, MeasureBaselineOutputs, measure_baseline
from prunegap.stages.prepare_data import PrepareDataInputs, PrepareDataOutputs, prepare_data
from prunegap.stages.prune import PruneInputs, prune

P = TypeVar("P", bound=StageParams)
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")
U = TypeVar("U")


class Runner(Protocol):
    """Carries out the steps of a pipeline."""

    def run(self, step: str, stage: Stage[P, I, O], params: P, inputs: I, tags: Mapping[str, str]) -> O:
        """Carry out one stage under a step name that is unique in the pipeline; return its outputs."""
        ...

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Carry out ``body`` for every item, in any order or at once; return the results in order.

        A runner that compiles a loop calls ``body`` once, with the loop's item, and returns its one result.
        """
        ...


@dataclass(frozen=True)
class Dense:
    """The data, a dense model and what it does on them."""

    data: PrepareDataOutputs
    model: AcquireDenseOutputs
    baseline: MeasureBaselineOutputs


def prune_and_compare(experiment: Experiment, runner: Runner) -> CompareOutputs:
    """Wire the whole run: one data set, dense models, seeds x sparsities x methods, one comparison.

    Seeds are alike and fan out; each sparsity and method has settings of its own. What can be shared is: one dense
    model for all seeds (or one a seed), one pruned model for all methods of a seed and sparsity.
    """
    data = runner.run("prepare_data", prepare_data, experiment.prepare_data, PrepareDataInputs(), {})
    shared = None if experiment.dense_seeds == "per_seed" else _dense(experiment, runner, data, None)

    def one_seed(seed: int) -> list[tuple[FinetuneOutputs, EvaluateOutputs]]:
        dense = shared or _dense(experiment, runner, data, seed)
        return [result for level in experiment.sparsities for result in _cell(experiment, runner, dense, level, seed)]

    results = [result for of_seed in runner.fan_out(experiment.seeds, one_seed) for result in of_seed]
    return runner.run(
        "compare",
        compare,
        experiment.compare.model_copy(update={"title": experiment.compare.title or experiment.name}),
        CompareInputs(
            evaluations=tuple(evaluated.evaluation for _, evaluated in results),
            histories=tuple(finetuned.history for finetuned, _ in results),
        ),
        {},
    )


def _dense(experiment: Experiment, runner: Runner, data: PrepareDataOutputs, seed: int | None) -> Dense:
    params = experiment.acquire_dense
    if seed is not None:
        params = params.model_copy(update={"seed": seed})
    suffix, tags = "" if seed is None else f"-seed{seed}", {"seed": str(params.seed)}
    model = runner.run(f"acquire_dense{suffix}", acquire_dense, params, AcquireDenseInputs(data.dataset), tags)
    baseline = runner.run(
        f"measure_baseline{suffix}",
        measure_baseline,
        experiment.measure_baseline,
        MeasureBaselineInputs(data.dataset, model.dense_model),
        tags,
    )
    return Dense(data, model, baseline)


def _cell(
    experiment: Experiment, runner: Runner, dense: Dense, level: Level, seed: int
) -> list[tuple[FinetuneOutputs, EvaluateOutputs]]:
    """Wire one seed at one sparsity: all methods continue from the same pruned state."""
    dataset, dense_model, baseline = dense.data.dataset, dense.model.dense_model, dense.baseline.baseline
    cell = f"sparsity{level.sparsity * 100:g}-seed{seed}"
    tags = {"seed": str(seed), "sparsity": f"{level.sparsity:g}"}
    pruned = runner.run(
        f"prune-{cell}",
        prune,
        experiment.prune.model_copy(update={"sparsity": level.sparsity, "seed": seed}),
        PruneInputs(dataset, dense_model),
        tags,
    )

    def one(method: FinetuneParams) -> tuple[FinetuneOutputs, EvaluateOutputs]:
        tolerance = method.tolerance if level.tolerance is None else level.tolerance
        name, named = f"{cell}-{method.shown_name}", tags | {"method": method.method}
        if method.label:
            named["label"] = method.label
        finetuned = runner.run(
            f"finetune-{name}",
            finetune,
            method.model_copy(update={"tolerance": tolerance}),
            FinetuneInputs(dataset, dense_model, baseline, pruned.sparse_model),
            named,
        )
        evaluated = runner.run(
            f"evaluate-{name}",
            evaluate,
            experiment.evaluate.model_copy(update={"tolerance": tolerance}),
            EvaluateInputs(dataset, dense_model, baseline, finetuned.finetuned_model),
            named,
        )
        return finetuned, evaluated

    return [one(method) for method in experiment.methods]
