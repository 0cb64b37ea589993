"""The one function that wires the stages of a run.

A runner decides how a stage is carried out: in this process, as a compose service, as a Kubeflow task.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol, TypeVar

from prunegap.pipeline.experiment import Experiment, Level
from prunegap.stages.acquire_dense import (
    AcquireDenseInputs,
    AcquireDenseOutputs,
    AcquireDenseParams,
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
        """Carry out ``body`` for every item, in any order or at once; return the results in order."""
        ...


@dataclass(frozen=True)
class Cell:
    """One (seed, sparsity): all its methods continue from the same pruned state."""

    seed: int
    level: Level

    @property
    def name(self) -> str:
        """Part of the step names."""
        return f"sparsity{self.level.sparsity * 100:g}-seed{self.seed}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags for tracking."""
        return {"seed": str(self.seed), "sparsity": f"{self.level.sparsity:g}"}


@dataclass(frozen=True)
class Dense:
    """A dense model and what it does on the data."""

    model: AcquireDenseOutputs
    baseline: MeasureBaselineOutputs


def prune_and_compare(experiment: Experiment, runner: Runner) -> CompareOutputs:
    """Wire the whole run: one data set, dense models, seeds x sparsities x methods, one comparison."""
    data = runner.run("prepare_data", prepare_data, experiment.prepare_data, PrepareDataInputs(), {})
    if experiment.dense_seeds == "shared":
        shared = _dense(experiment, runner, data, experiment.acquire_dense, "")
        dense = dict.fromkeys(experiment.seeds, shared)
    else:
        trained = runner.fan_out(
            experiment.seeds,
            lambda seed: _dense(
                experiment,
                runner,
                data,
                experiment.acquire_dense.model_copy(update={"seed": seed}),
                f"-seed{seed}",
            ),
        )
        dense = dict(zip(experiment.seeds, trained, strict=True))
    cells = [Cell(seed, level) for level, seed in product(experiment.sparsities, experiment.seeds)]
    results = runner.fan_out(cells, lambda cell: _cell(experiment, runner, data, dense[cell.seed], cell))
    flat = [result for cell in results for result in cell]
    return runner.run(
        "compare",
        compare,
        experiment.compare.model_copy(update={"title": experiment.compare.title or experiment.name}),
        CompareInputs(
            evaluations=tuple(evaluated.evaluation for _, evaluated in flat),
            histories=tuple(finetuned.history for finetuned, _ in flat),
        ),
        {},
    )


def _dense(
    experiment: Experiment, runner: Runner, data: PrepareDataOutputs, params: AcquireDenseParams, suffix: str
) -> Dense:
    tags = {"seed": str(params.seed)}
    model = runner.run(f"acquire_dense{suffix}", acquire_dense, params, AcquireDenseInputs(data.dataset), tags)
    baseline = runner.run(
        f"measure_baseline{suffix}",
        measure_baseline,
        experiment.measure_baseline,
        MeasureBaselineInputs(data.dataset, model.dense_model),
        tags,
    )
    return Dense(model, baseline)


def _cell(
    experiment: Experiment, runner: Runner, data: PrepareDataOutputs, dense: Dense, cell: Cell
) -> list[tuple[FinetuneOutputs, EvaluateOutputs]]:
    dense_model, baseline = dense.model.dense_model, dense.baseline.baseline
    varying = {"sparsity": cell.level.sparsity, "seed": cell.seed}
    pruned = runner.run(
        f"prune-{cell.name}",
        prune,
        experiment.prune.model_copy(update=varying),
        PruneInputs(data.dataset, dense_model),
        cell.tags,
    )

    def one(method: FinetuneParams) -> tuple[FinetuneOutputs, EvaluateOutputs]:
        tolerance = method.tolerance if cell.level.tolerance is None else cell.level.tolerance
        name, tags = f"{cell.name}-{method.shown_name}", cell.tags | {"method": method.shown_name}
        finetuned = runner.run(
            f"finetune-{name}",
            finetune,
            method.model_copy(update={"tolerance": tolerance}),
            FinetuneInputs(data.dataset, dense_model, baseline, pruned.sparse_model),
            tags,
        )
        evaluated = runner.run(
            f"evaluate-{name}",
            evaluate,
            experiment.evaluate.model_copy(update={"tolerance": tolerance}),
            EvaluateInputs(data.dataset, dense_model, baseline, finetuned.finetuned_model),
            tags,
        )
        return finetuned, evaluated

    return list(runner.fan_out(experiment.methods, one))
