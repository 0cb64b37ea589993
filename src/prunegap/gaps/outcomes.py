"""What a dense and a sparse model do with the same examples, and means of it over groups (fractions, nats).

A group without examples has no estimate: NaN, left out of every maximum and minimum.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

from prunegap.shapes import ExampleBools, ExampleFloats, ExampleInts, GroupFloats, GroupInts, Scalar
from prunegap.uncertainty import NoiseFloor, PairedCounts, noise_floors


@dataclass(frozen=True)
class Outcomes:
    """What one model does with each example of a split: the class it predicts, its loss, its correctness."""

    predicted: ExampleInts
    loss: ExampleFloats
    correct: ExampleBools

    def to(self, device: torch.device) -> "Outcomes":
        """Return the same outcomes on ``device``."""
        return Outcomes(self.predicted.to(device), self.loss.to(device), self.correct.to(device))


@dataclass(frozen=True)
class GroupPerformance:
    """Accuracy and mean loss of one model, overall and per group (NaN for a group without examples)."""

    accuracy: Scalar
    loss: Scalar
    group_accuracy: GroupFloats
    group_loss: GroupFloats
    group_count: GroupInts


@dataclass(frozen=True)
class Pair:
    """A dense and a sparse model on the same examples of one split, which fall into disjoint groups."""

    dense: Outcomes
    sparse: Outcomes
    groups: ExampleInts
    num_groups: int

    @cached_property
    def before(self) -> GroupPerformance:
        """The dense model's performance."""
        return performance(self.dense, self.groups, self.num_groups)

    @cached_property
    def after(self) -> GroupPerformance:
        """The sparse model's performance."""
        return performance(self.sparse, self.groups, self.num_groups)

    @cached_property
    def changed(self) -> ExampleFloats:
        """1 for an example whose correctness differs between the two models, else 0."""
        return (self.dense.correct != self.sparse.correct).double()

    @cached_property
    def counts(self) -> PairedCounts:
        """Examples, lost and gained ones, by group: what limits follow from."""
        columns = (self.dense.correct, self.sparse.correct, self.groups)
        before, after, groups = (one.cpu().numpy() for one in columns)
        return PairedCounts.count(before, after, groups, self.num_groups)

    @cached_property
    def noise_floors(self) -> tuple[NoiseFloor, NoiseFloor]:
        """What max psi and Psi_PW come to where groups are drawn at random."""
        return noise_floors(self.counts)

    def by_group(self, values: ExampleFloats) -> GroupFloats:
        """Return the mean of a value an example over each group."""
        return group_means(values, self.groups, self.num_groups)


def group_means(values: ExampleFloats, groups: ExampleInts, num_groups: int) -> GroupFloats:
    """Mean of ``values`` over each group; NaN where a group has no example."""
    sums = torch.zeros(num_groups, dtype=torch.float64, device=values.device)
    sums.index_add_(0, groups, values.double())
    return sums / torch.bincount(groups, minlength=num_groups)


def performance(outcomes: Outcomes, groups: ExampleInts, num_groups: int) -> GroupPerformance:
    """Summarise one model's outcomes, overall (over all examples) and per group."""
    correct = outcomes.correct.double()
    return GroupPerformance(
        accuracy=correct.mean(),
        loss=outcomes.loss.double().mean(),
        group_accuracy=group_means(correct, groups, num_groups),
        group_loss=group_means(outcomes.loss, groups, num_groups),
        group_count=torch.bincount(groups, minlength=num_groups),
    )


def spread(per_group: GroupFloats) -> Scalar:
    """Largest difference between two groups, leaving out groups without an estimate."""
    return largest(per_group) + largest(-per_group)


def largest(per_group: GroupFloats) -> Scalar:
    """Largest value of any group, leaving out groups without an estimate."""
    return per_group[~per_group.isnan()].max()
