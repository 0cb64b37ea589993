"""Per group three counts, from which every limit here follows: examples, correct ones lost and wrong ones gained.

Per example ``delta = (dense correct) - (compressed correct)`` is 1 (lost), -1 (gained) or 0; its mean over a group is
the group's accuracy gap, that minus the mean over all examples its excess gap psi.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedCounts:
    """Counts of the examples of some sets, by group: shape (groups,) each, or (repetitions, groups).

    Attributes:
        examples: how many there are.
        lost: how many the dense model has right and the compressed one wrong.
        gained: how many it is the other way round.

    Raises:
        ValueError: counts that cannot be: negative ones, or more lost and gained than there are.
    """

    examples: Ints
    lost: Ints
    gained: Ints

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        shapes = {self.examples.shape, self.lost.shape, self.gained.shape}
        if len(shapes) != 1:
            raise ValueError(f"examples, lost and gained must have one shape, got {sorted(shapes)}")
        if (self.lost < 0).any() or (self.gained < 0).any() or (self.lost + self.gained > self.examples).any():
            raise ValueError("lost and gained must be >= 0 and together at most the examples of their group")

    @classmethod
    def of(cls, examples: ArrayLike, lost: ArrayLike, gained: ArrayLike) -> Self:
        """Return the counts as arrays of integers."""
        return cls(*(np.atleast_1d(np.asarray(one, dtype=np.int64)) for one in (examples, lost, gained)))

    @classmethod
    def stacked(cls, each: Sequence["PairedCounts"]) -> Self:
        """Return several counts of the same groups as one of shape (their number, groups)."""
        return cls.of(*([getattr(one, what) for one in each] for what in ("examples", "lost", "gained")))

    @classmethod
    def count(cls, before: ArrayLike, after: ArrayLike, groups: ArrayLike, num_groups: int) -> Self:
        """Count what happened to the examples of every group.

        Args:
            before: whether the dense model has an example right, shape (examples,).
            after: whether the compressed one has.
            groups: number of each example's group, from 0.
            num_groups: number of groups.
        """
        right, still, group = np.asarray(before, bool), np.asarray(after, bool), np.asarray(groups, np.int64)
        each: Any = [
            np.bincount(group[chosen], minlength=num_groups)
            for chosen in (np.ones(len(group), bool), right & ~still, still & ~right)
        ]
        return cls.of(*each)

    def __getitem__(self, chosen: Any) -> "PairedCounts":  # noqa: ANN401 - whatever indexes an array
        """Return the counts of some of the groups."""
        return PairedCounts.of(self.examples[chosen], self.lost[chosen], self.gained[chosen])

    @property
    def swapped(self) -> "PairedCounts":
        """The counts with the two models exchanged."""
        return PairedCounts(self.examples, self.gained, self.lost)

    @property
    def total(self) -> "PairedCounts":
        """All groups as one, shape (..., 1)."""
        return PairedCounts(*(one.sum(axis=-1, keepdims=True) for one in (self.examples, self.lost, self.gained)))

    @property
    def rest(self) -> "PairedCounts":
        """Of every group all examples that are not in it."""
        total = self.total
        return PairedCounts(total.examples - self.examples, total.lost - self.lost, total.gained - self.gained)

    @property
    def share(self) -> Floats:
        """Share of a group in all examples."""
        return self.examples / np.maximum(self.total.examples, 1)

    @property
    def gap(self) -> Floats:
        """Accuracy gap: mean delta; NaN of an empty group."""
        return _ratio(self.lost - self.gained, self.examples)

    @property
    def churn(self) -> Floats:
        """Share of examples whose correctness changed; NaN of an empty group."""
        return _ratio(self.lost + self.gained, self.examples)

    @property
    def excess_gap(self) -> Floats:
        """psi: the gap minus that of all examples; NaN of an empty group."""
        return self.gap - self.total.gap


def _ratio(part: Ints, whole: Ints) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
