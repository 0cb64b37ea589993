"""The one function that wires the stages of a run.

A runner decides how a stage is carried out: in this process, as a compose service, as a Kubeflow task. While a
pipeline is compiled, a parameter or a part of the run may be a channel that has its value only when the pipeline
runs: values are passed along here, never computed with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from prunegap.pipeline.experiment import Experiment
from prunegap.stages.acquire_dense import acquire_dense
from prunegap.stages.compare import compare
from prunegap.stages.contract import Stage
from prunegap.stages.evaluate import evaluate
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap.stages.gate import gate
from prunegap.stages.measure_baseline import measure_baseline
from prunegap.stages.params import StageParams
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


def prune_and_compare(experiment: Experiment, runner: Runner, parts: Any = None) -> Handles:  # noqa: ANN401
    """Wire the whole run: one data set, dense models, pruned models, their cells, one verdict and one comparison.

    What can be shared is: one dense model for all cells (or one a seed), one pruned model for all cells of a seed and
    sparsity.

    Args:
        experiment: the run.
        runner: carries it out.
        parts: what to fan out over; None: the experiment's own parts. A compiler's channel of such a list will do.
    """
    if parts is None:
        parts = experiment.parts()
    data = runner.run("prepare_data", prepare_data, experiment.prepare_data, {}, {})

    def one_pruning(part: Any, dense: Handles) -> Sequence[Handles]:  # noqa: ANN401 - a PruningPart, or a channel of one
        return _pruning(experiment, runner, dense, part)

    def one_seed(part: Any) -> Sequence[Handles]:  # noqa: ANN401 - a SeedPart, or a channel of one
        dense = _dense(experiment, runner, data, part)
        return _flat(runner.fan_out(part.prunings, lambda pruning: one_pruning(pruning, dense)))

    if experiment.dense_seeds == "per_seed":
        results = _flat(runner.fan_out(parts, one_seed))
    else:
        shared = _dense(experiment, runner, data, None)
        results = _flat(runner.fan_out(parts, lambda part: one_pruning(part, shared)))
    evaluations = tuple(result["evaluation"] for result in results)
    verdict = runner.run("gate", gate, experiment.gate, {"evaluations": evaluations}, {})["verdict"]
    histories = tuple(result["history"] for result in results)
    return runner.run(
        "compare",
        compare,
        experiment.compare.model_copy(update={"title": experiment.compare.title or experiment.name}),
        {"evaluations": evaluations, "histories": histories, "verdict": verdict},
        {},
    )


def _dense(experiment: Experiment, runner: Runner, data: Handles, part: Any) -> Handles:  # noqa: ANN401
    """Wire a dense model, of a seed's part or of the whole run; return it with its data set and baseline."""
    params = experiment.acquire_dense
    acquiring, measuring, tags = acquire_dense.name, measure_baseline.name, {"seed": str(params.seed)}
    if part is not None:
        params = params.model_copy(update={"seed": part.seed})
        acquiring, measuring, tags = part.acquire_dense_step, part.measure_baseline_step, part.tags
    dataset = data["dataset"]
    acquired = runner.run(acquiring, acquire_dense, params, {"dataset": dataset}, tags)
    known = {"dataset": dataset, "dense_model": acquired["dense_model"]}
    measured = runner.run(measuring, measure_baseline, experiment.measure_baseline, known, tags)
    return known | {"baseline": measured["baseline"]}


def _pruning(experiment: Experiment, runner: Runner, dense: Handles, part: Any) -> Sequence[Handles]:  # noqa: ANN401
    """Wire one seed at one sparsity: all its cells continue from the same pruned state."""
    params = experiment.prune.model_copy(update={"sparsity": part.sparsity, "seed": part.seed})
    sparse_model = runner.run(part.prune_step, prune, params, dense, part.tags)["sparse_model"]
    measured = {"dataset": dense["dataset"], "baseline": dense["baseline"]}

    def one(cell: Any) -> Handles:  # noqa: ANN401 - a Cell, or a channel of one
        params = FinetuneParams.model_construct(**{name: getattr(cell, name) for name in FinetuneParams.model_fields})
        given = measured | {"sparse_model": sparse_model}
        finetuned = runner.run(cell.finetune_step, finetune, params, given, cell.tags)
        judging = experiment.evaluate.model_copy(update={"tolerance": cell.tolerance})
        judged = measured | {"finetuned_model": finetuned["finetuned_model"]}
        evaluated = runner.run(cell.evaluate_step, evaluate, judging, judged, cell.tags)
        return {"evaluation": evaluated["evaluation"], "history": finetuned["history"]}

    return runner.fan_out(part.cells, one)


def _flat(lists: Sequence[Sequence[Handles]]) -> list[Handles]:
    return [one for those in lists for one in those]
