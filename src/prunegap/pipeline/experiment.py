"""Everything a run depends on: what to fan out over, and the parameters of each stage."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from prunegap.pipeline.cells import VARIED, Cell, Parts, by_pruning, by_seed, lacks_held_out_examples
from prunegap.pipeline.confusable_names import same_methods, same_sparsities
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.stages.compare import CompareParams, compare
from prunegap.stages.contract import Stage
from prunegap.stages.evaluate import EvaluateParams, evaluate
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap.stages.gate import GateParams, gate
from prunegap.stages.measure_baseline import MeasureBaselineParams, measure_baseline
from prunegap.stages.numbers import StrictNumbers
from prunegap.stages.prepare_data import PrepareDataParams, prepare_data
from prunegap.stages.prune import PruneParams, prune

STAGES: tuple[Stage[..., Any], ...] = (
    prepare_data,
    acquire_dense,
    measure_baseline,
    prune,
    finetune,
    evaluate,
    gate,
    compare,
)
SHARED = ("device", "precision", "channels_last", "threads")


class Level(StrictNumbers):
    """One sparsity, and the tolerance that goes with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sparsity: float = Field(ge=0, lt=1, description="Share of prunable weights set to zero.")
    tolerance: float | None = Field(
        default=None, ge=0, description="Tolerance at this sparsity; None: that of finetune."
    )

    @model_validator(mode="before")
    @classmethod
    def _a_bare_value_is_a_sparsity(cls, value: Any) -> Any:  # noqa: ANN401 - anything a YAML file holds
        return {"sparsity": value} if isinstance(value, int | float | str) else value


class Experiment(StrictNumbers):
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
    gate: GateParams = GateParams(enforce=False)
    compare: CompareParams = CompareParams()

    @model_validator(mode="before")
    @classmethod
    def _spread_shared_settings(cls, raw: Any) -> Any:  # noqa: ANN401 - anything a YAML file holds
        return _spread(raw) if isinstance(raw, dict) else raw

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"must be distinct and >= 0, got {list(seeds)}")
        return seeds

    @model_validator(mode="after")
    def _names_stay_apart(self) -> Self:
        labels = [method.shown_name for method in self.methods]
        _require_distinct("methods", labels, "give the same method twice only with different labels")
        _refuse("methods", same_methods(labels), "give one of them another label")
        values = [level.sparsity for level in self.sparsities]
        _refuse("sparsities", same_sparsities(values), "name each once, or further apart")
        return self

    @model_validator(mode="after")
    def _held_out_examples_are_there(self) -> Self:
        for method in self.methods:
            lacking = lacks_held_out_examples(method.method, self.prepare_data.validation_share)
            if lacking:
                raise ValueError(lacking)
        return self

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every seed at every sparsity with every method."""
        return tuple(
            Cell.model_validate(
                {
                    **method.model_dump(),
                    "tolerance": method.tolerance if level.tolerance is None else level.tolerance,
                    "seed": seed,
                    "sparsity": level.sparsity,
                }
            )
            for seed in self.seeds
            for level in self.sparsities
            for method in self.methods
        )

    def parts(self) -> Parts:
        """Return the cells by what they share: a pruned model, and with ``per_seed`` a dense model."""
        return by_seed(self.cells) if self.dense_seeds == "per_seed" else by_pruning(self.cells)

    def plain_cells(self) -> list[dict[str, Any]]:
        """Return the cells as plain values that differ from ``finetune``, beside what every cell says."""
        usual = self.finetune.model_dump(mode="json")
        return [
            {
                name: value
                for name, value in cell.model_dump(
                    mode="json", include={"seed", "sparsity", *FinetuneParams.model_fields}
                ).items()
                if name not in usual or name in VARIED - {"label"} or value != usual[name]
            }
            for cell in self.cells
        ]

    def plain(self) -> dict[str, Any]:
        """Return the experiment as plain JSON values; validated, they are this experiment again."""
        left_out = {section: set(keys) for section, keys in varied_keys(self.dense_seeds).items()}
        return self.model_dump(mode="json", exclude=left_out)


def _require_distinct(what: str, names: list[str], rule: str) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{what} must be distinct, got {twice[0]} twice; {rule}")


def _refuse(what: str, confusion: str, remedy: str) -> None:
    if confusion:
        raise ValueError(f"{what}: {confusion}; {remedy}")


def varied_keys(dense_seeds: object) -> dict[str, dict[str, str]]:
    """Return, by section, the parameters that a run varies itself, and the key that says over what.

    Args:
        dense_seeds: as in :class:`Experiment`.
    """
    varied = {"prune": {"sparsity": "sparsities", "seed": "seeds"}, "evaluate": {"tolerance": "finetune.tolerance"}}
    return varied | {"acquire_dense": {"seed": "seeds"}} if dense_seeds == "per_seed" else varied


def _spread(raw: dict[str, Any]) -> dict[str, Any]:
    """Hand what the top level sets to every stage that has it, and what ``finetune`` sets to every method.

    A section or method that sets it itself keeps its own.
    """
    raw = {
        key: value for key, value in raw.items() if value is not None or key not in {stage_.name for stage_ in STAGES}
    }
    _refuse_varied(raw)
    shared = {key: raw.pop(key) for key in SHARED if key in raw}
    for stage_ in STAGES:
        section = raw.get(stage_.name, {})
        own = {key: value for key, value in shared.items() if key in stage_.params_type.model_fields}
        if isinstance(section, dict) and (own or section):
            raw[stage_.name] = own | section
    if isinstance(raw.get(gate.name), dict):  # a run compares methods, some of which may well fail
        raw[gate.name] = {"enforce": False} | raw[gate.name]
    if isinstance(raw.get(prune.name), dict):
        raw[prune.name] = _lowest_sparsity(raw.get("sparsities")) | raw[prune.name]
    if isinstance(raw.get("methods"), list | tuple):
        inherited = raw.get(finetune.name)
        base = inherited if isinstance(inherited, dict) else {}
        raw["methods"] = [_method(entry, base) for entry in raw["methods"]]
    return raw


def _lowest_sparsity(levels: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the sparsity that the rules of prune are checked with: what holds for the lowest holds for all."""
    entries = levels if isinstance(levels, list | tuple) else ()
    values: list[float] = []
    for entry in entries:
        try:
            values.append(Level.model_validate(entry).sparsity)
        except ValidationError:
            continue  # told where the levels are validated
    return {"sparsity": min(values)} if values else {}


def _method(entry: Any, base: dict[str, Any]) -> Any:  # noqa: ANN401
    named = {"method": entry} if isinstance(entry, str) else entry
    return base | named if isinstance(named, dict) else named


def _refuse_varied(raw: dict[str, Any]) -> None:
    for section, keys in varied_keys(raw.get("dense_seeds")).items():
        given = raw.get(section)
        for key, instead in keys.items():
            if isinstance(given, dict) and key in given:
                raise ValueError(f"{section}.{key}: has no effect in a run, which goes by {instead}; set that instead")
