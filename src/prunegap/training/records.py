"""What training reports: an entry an epoch, and multipliers and violations over a sample of the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EpochEntry:
    """One epoch: where training stood at its end.

    ``train_*``, ``group_accuracy`` and ``excess_gap`` (against the dense model, evaluation mode) are running
    values over the epoch's training batches (training mode, augmented); ``validation_accuracy`` is None where
    there is no validation split.
    ``multipliers`` and ``violations`` are by constraint name, empty for plain training; None: not observed.
    """

    epoch: int
    learning_rate: float
    sparsity: float
    train_loss: float
    train_accuracy: float
    validation_accuracy: float | None
    multipliers: Mapping[str, float]
    violations: Mapping[str, float | None]
    negative_weight_share: float
    seconds: float
    group_accuracy: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    excess_gap: Mapping[str, float | None] = field(default_factory=dict[str, float | None])


@dataclass(frozen=True)
class StepTrace:
    """Multipliers and violations over at most 1,000 evenly spaced steps.

    ``names``: at most 16 constraints, those with the largest multipliers first, and last ``maximum`` over all
    constraints. ``violations[i][j]`` and ``multipliers[i][j]`` belong to ``steps[i]`` and ``names[j]``.
    """

    names: Sequence[str]
    steps: Sequence[int]
    violations: Sequence[Sequence[float | None]]
    multipliers: Sequence[Sequence[float]]


def optional(values: Sequence[float]) -> list[float | None]:
    """Return the values with None for NaN (not observed)."""
    return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN differs from itself
