"""The experiment, and the one function that wires the stages of a run.

A runner decides how a stage is carried out: in this process, as a compose service, as a Kubeflow task.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prunegap.stages.acquire_dense import (
    AcquireDenseInputs,
    AcquireDenseOutputs,
    AcquireDenseParams,
    acquire_dense,
)
from prunegap.stages.compare import CompareInputs, CompareOutputs, CompareParams, compare
from prunegap.stages.contract import Stage, StageParams
from prunegap.stages.evaluate import EvaluateInputs, EvaluateOutputs, EvaluateParams, evaluate
from prunegap.stages.finetune import FinetuneInputs, FinetuneOutputs, FinetuneParams, finetune
from prunegap.stages.measure_baseline import (
    MeasureBaselineInputs,
    MeasureBaselineOutputs,
    MeasureBaselineParams,
    measure_baseline,
)
from prunegap.stages.prepare_data import (
    PrepareDataInputs,
    PrepareDataOutputs,
    PrepareDataParams,
    prepare_data,
)
from prunegap.stages.prune import PruneInputs, PruneParams, prune

STAGES: tuple[Stage[Any, Any, Any], ...] = (
    prepare_data,
    acquire_dense,
    measure_baseline,
    prune,
    finetune,
    evaluate,
    compare,
)

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


class Level(BaseModel):
    """One sparsity, and the tolerance that goes with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sparsity: float = Field(ge=0, lt=1, description="Share of prunable weights set to zero.")
    tolerance: float | None = Field(
        default=None, ge=0, description="Tolerance at this sparsity; None: that of finetune."
    )

    @model_validator(mode="before")
    @classmethod
    def _a_bare_number_is_a_sparsity(cls, value: Any) -> Any:  # noqa: ANN401 - anything a YAML file holds
        return {"sparsity": value} if isinstance(value, int | float) else value


class Experiment(BaseModel):
    """Everything a run depends on: what to fan out over, and the parameters of each stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Name of the experiment.")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1, description="A run a seed.")
    sparsities: tuple[Level, ...] = Field(
        default=(Level(sparsity=0.9),), min_length=1, description="Levels of sparsity."
    )
    methods: tuple[FinetuneParams, ...] = Field(
        min_length=1,
        description="Methods by name, or as a mapping: method, label and any of finetune's parameters.",
    )
    dense_seeds: Literal["shared", "per_seed"] = Field(
        default="shared", description="One dense model for all seeds, as in the papers, or one a seed."
    )
    prepare_data: PrepareDataParams = PrepareDataParams()
    acquire_dense: AcquireDenseParams = AcquireDenseParams()
    measure_baseline: MeasureBaselineParams = MeasureBaselineParams()
    prune: PruneParams = PruneParams()
    finetune: FinetuneParams = FinetuneParams()
    evaluate: EvaluateParams = EvaluateParams()
    compare: CompareParams = CompareParams()

    @model_validator(mode="before")
    @classmethod
    def _spread_shared_settings(cls, raw: Any) -> Any:  # noqa: ANN401 - anything a YAML file holds
        return _spread(raw) if isinstance(raw, dict) else raw

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"seeds must be distinct and >= 0, got {list(seeds)}")
        return seeds

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        _require_distinct(
            "methods",
            [method.shown_name for method in self.methods],
            "give the same method twice only with different labels",
        )
        _require_distinct("sparsities", [f"{level.sparsity:g}" for level in self.sparsities], "name each once")
        return self


def _require_distinct(what: str, names: list[str], rule: str) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{what} must be distinct, got {twice[0]} twice; {rule}")


SHARED = ("device", "precision", "channels_last", "threads")


def _spread(raw: dict[str, Any]) -> dict[str, Any]:
    """Hand ``device``, ``precision``, ``channels_last`` and ``threads`` of the top level to every stage that has them.

    Methods inherit what ``finetune`` sets, unless they set it themselves.
    """
    raw = dict(raw)
    shared = {key: raw.pop(key) for key in SHARED if key in raw}
    for stage_ in STAGES:
        section = raw.get(stage_.name) or {}
        own = {key: value for key, value in shared.items() if key in stage_.params_type.model_fields}
        if isinstance(section, dict) and (own or section):
            raw[stage_.name] = own | section
    inherited = raw.get(finetune.name)
    if isinstance(raw.get("methods"), list | tuple):
        base = inherited if isinstance(inherited, dict) else {}
        raw["methods"] = [
            base | ({"method": entry} if isinstance(entry, str) else entry) if isinstance(entry, str | dict) else entry
            for entry in raw["methods"]
        ]
    return raw


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
