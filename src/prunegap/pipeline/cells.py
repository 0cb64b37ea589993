"""The cells of a run: what is varied, a seed, a sparsity, a tolerance and a method each, and what they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from prunegap.pipeline.confusable_names import same_methods, same_sparsities
from prunegap.stages.finetune import FinetuneParams, MethodName
from prunegap.stages.numbers import StrictNumbers
from prunegap.training.methods import describe_method

VARIED = frozenset({"method", "label", "tolerance"})
"""Parameters of finetune that every cell says for itself."""


class Cell(FinetuneParams):
    """One cell of a run: one method, with its parameters, at one sparsity, from one seed."""

    method: MethodName = Field(description=f"{FinetuneParams.model_fields['method'].description}")
    tolerance: float = Field(ge=0, description="Allowed excess accuracy gap of a group (fraction).")
    seed: int = Field(ge=0, description="Seed of pruning and fine-tuning.")
    sparsity: float = Field(ge=0, lt=1, description="Share of prunable weights set to zero.")

    @property
    def finetune_step(self) -> str:
        """Name of the cell's fine-tuning."""
        return f"finetune-{pruning_key(self.seed, self.sparsity)}-{self.shown_name}"

    @property
    def evaluate_step(self) -> str:
        """Name of the cell's evaluation."""
        return f"evaluate-{pruning_key(self.seed, self.sparsity)}-{self.shown_name}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the cell's steps in MLflow."""
        named = {"seed": str(self.seed), "sparsity": f"{self.sparsity:g}", "method": self.method}
        return named | ({"label": self.label} if self.label else {})


@dataclass(frozen=True)
class PruningPart:
    """One seed at one sparsity: all its cells continue from one pruned model."""

    seed: int
    sparsity: float
    cells: tuple[Cell, ...]

    @property
    def prune_step(self) -> str:
        """Name of the part's pruning."""
        return f"prune-{pruning_key(self.seed, self.sparsity)}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the part's own steps in MLflow."""
        return {"seed": str(self.seed), "sparsity": f"{self.sparsity:g}"}


@dataclass(frozen=True)
class SeedPart:
    """One seed with a dense model of its own, at every sparsity."""

    seed: int
    prunings: tuple[PruningPart, ...]

    @property
    def acquire_dense_step(self) -> str:
        """Name of the step that acquires the part's dense model."""
        return f"acquire_dense-seed{self.seed}"

    @property
    def measure_baseline_step(self) -> str:
        """Name of the step that measures the part's dense model."""
        return f"measure_baseline-seed{self.seed}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the part's own steps in MLflow."""
        return {"seed": str(self.seed)}


Parts = tuple[PruningPart, ...] | tuple[SeedPart, ...]


class Cells(StrictNumbers):
    """A list of cells that can be one run, with what their rules need to know of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: tuple[Cell, ...] = Field(min_length=1, description="The cells, in the order of the tables.")
    per_seed: bool = Field(default=False, description="Whether every seed has a dense model of its own.")
    initial_sparsity: float = Field(default=0.0, ge=0, lt=1, description="Sparsity at the first pruning.")
    validation_share: float = Field(default=1.0, ge=0, description="Share of examples held out for validation.")

    @model_validator(mode="after")
    def _cells_can_be_told_apart(self) -> Self:
        seen: dict[tuple[int, float, str], int] = {}
        for number, cell in enumerate(self.cells):
            first = seen.setdefault((cell.seed, cell.sparsity, cell.shown_name), number)
            if first != number:
                raise ValueError(
                    f"cells {first} and {number} are the same (seed {cell.seed}, sparsity {cell.sparsity:g}, "
                    f"{cell.shown_name}); leave one out, or give it a label"
                )
        _refuse(same_methods(list(dict.fromkeys(cell.shown_name for cell in self.cells))), "give one another label")
        _refuse(same_sparsities(list(dict.fromkeys(cell.sparsity for cell in self.cells))), "set them further apart")
        return self

    @model_validator(mode="after")
    def _cells_of_one_row_differ_in_the_seed_only(self) -> Self:
        methods: dict[str, int] = {}
        rows: dict[tuple[float, str], int] = {}
        for number, cell in enumerate(self.cells):
            alike = rows.setdefault((cell.sparsity, cell.shown_name), number)
            for first, names in ((methods.setdefault(cell.shown_name, number), ["method"]), (alike, list(OWN))):
                other = self.cells[first]
                for name in names:
                    if getattr(cell, name) != getattr(other, name):
                        raise ValueError(
                            f"cells {first} and {number} are both called {cell.shown_name} and differ in {name} "
                            f"({getattr(other, name)} and {getattr(cell, name)}); give one another label"
                        )
        return self

    @model_validator(mode="after")
    def _cells_fit_the_run(self) -> Self:
        for number, cell in enumerate(self.cells):
            if cell.sparsity < self.initial_sparsity:
                raise ValueError(
                    f"cells.{number}.sparsity: must be >= prune's initial_sparsity ({self.initial_sparsity:g}), "
                    f"got {cell.sparsity:g}"
                )
            _refuse(lacks_held_out_examples(cell.method, self.validation_share), f"or change cells.{number}.method")
        return self

    def parts(self) -> Parts:
        """Return the cells by what they share, in the order of their first appearance."""
        return by_seed(self.cells) if self.per_seed else by_pruning(self.cells)


OWN = tuple(name for name in FinetuneParams.model_fields if name != "label")


def by_pruning(cells: Sequence[Cell]) -> tuple[PruningPart, ...]:
    """Return the cells by their pruned model."""
    found: dict[tuple[int, float], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.seed, cell.sparsity), []).append(cell)
    return tuple(PruningPart(seed, sparsity, tuple(those)) for (seed, sparsity), those in found.items())


def by_seed(cells: Sequence[Cell]) -> tuple[SeedPart, ...]:
    """Return the cells by their seed, and by their pruned model."""
    found: dict[int, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.seed, []).append(cell)
    return tuple(SeedPart(seed, by_pruning(those)) for seed, those in found.items())


def pruning_key(seed: int, sparsity: float) -> str:
    """Return what the names of the steps of one pruned model end with."""
    return f"sparsity{sparsity * 100:g}-seed{seed}"


def lacks_held_out_examples(method: str, validation_share: float) -> str:
    """Return why a method cannot run: it needs held-out examples and there are none; empty if it can."""
    described = describe_method(method)
    if validation_share > 0 or not (described.fits_on_validation or described.keeps == "best_on_validation"):
        return ""
    if described.fits_on_validation:
        return (
            f"method {method} is fitted on held-out examples, and there are none: set prepare_data.validation_share "
            "above 0"
        )
    return (
        f"method {method} picks its epoch on held-out examples, and there are none: set "
        "prepare_data.validation_share above 0, or use nft_es_on_test, which picks on the test split as the paper did"
    )


def with_defaults(cells: object, defaults: Mapping[str, Any]) -> object:
    """Return a list of cells as it was given, each with every parameter of finetune that it does not set itself."""
    if not isinstance(cells, list | tuple):
        return cells
    given = tuple(cells)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return [{**defaults, **cell} if isinstance(cell, Mapping) else cell for cell in given]  # pyright: ignore[reportUnknownVariableType]


def _refuse(why: str, remedy: str) -> None:
    if why:
        raise ValueError(f"{why}; {remedy}")
