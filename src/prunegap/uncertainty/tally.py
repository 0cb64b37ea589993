"""What two models do with the examples of named groups: all that a judgement needs, small groups merged or left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunegap.errors import UserError, did_you_mean
from prunegap.uncertainty.counts import Floats, Ints, PairedCounts

OTHERS = "(others)"
MOST_NAMED = 10


@dataclass(frozen=True)
class Tally:
    """Named groups with their counts.

    Attributes:
        names: of the groups.
        counts: examples, lost and gained, by group.
        right: examples that the model before has right, by group.
        notes: what was left out or merged, a sentence each.
    """

    names: tuple[str, ...]
    counts: PairedCounts
    right: Ints
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, before: ArrayLike, after: ArrayLike, groups: NDArray[np.int64], names: Sequence[str]) -> Self:
        """Count examples.

        Args:
            before: whether the model before has an example right, shape (examples,).
            after: whether the model after has.
            groups: number of each example's group, from 0.
            names: of the groups.
        """
        right = np.bincount(groups[np.asarray(before, bool)], minlength=len(names))
        return cls(tuple(names), PairedCounts.count(before, after, groups, len(names)), right)

    def without(self, left_out: Sequence[str]) -> "Tally":
        """Leave groups out by name, and say so.

        Raises:
            UserError: a name that is no group.
        """
        for name in left_out:
            if name not in self.names:
                raise UserError(f"leave out {name}: no such group{did_you_mean(name, self.names)}")
        kept = np.array([name not in left_out for name in self.names], dtype=bool)
        sizes = dict(zip(self.names, self.counts.examples.tolist(), strict=True))
        notes = [f"the group {name} ({sizes[name]} examples) is left out" for name in dict.fromkeys(left_out)]
        names = tuple(name for name in self.names if name not in left_out)
        return Tally(names, self.counts[kept], self.right[kept], (*self.notes, *notes))

    def merged(self, below: int) -> "Tally":
        """Judge groups of fewer examples (an empty one apart) as one, :data:`OTHERS`, and say so."""
        sizes = self.counts.examples
        small = (sizes > 0) & (sizes < below)
        if not small.any():
            return self
        rest = self.counts[small].total
        named = [name for name, is_small in zip(self.names, small, strict=True) if is_small]
        kept = tuple(name for name, is_small in zip(self.names, small, strict=True) if not is_small)
        listed = ", ".join(named[:MOST_NAMED]) + (", ..." if len(named) > MOST_NAMED else "")
        note = f"{len(named)} groups of fewer than {below} examples are judged as one, {OTHERS}: {listed}"
        counts = [
            np.concatenate([getattr(self.counts, what)[~small], getattr(rest, what)])
            for what in ("examples", "lost", "gained")
        ]
        right = np.append(self.right[~small], self.right[small].sum())
        return Tally((*kept, OTHERS), PairedCounts.of(*counts), right, (*self.notes, note))

    @property
    def accuracy_before(self) -> Floats:
        """Accuracy of the model before, by group; NaN of an empty one."""
        sizes = self.counts.examples
        return np.where(sizes > 0, self.right / np.maximum(sizes, 1), np.nan)

    @property
    def accuracy_after(self) -> Floats:
        """Accuracy of the model after, by group; NaN of an empty one."""
        return self.accuracy_before - self.counts.gap
