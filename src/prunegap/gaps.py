"""What pruning costs each group: accuracy gaps, excess accuracy gaps, churn (fractions, never points).

For a dense model d, a sparse model s and a data set split into disjoint groups g
("Balancing Act", arXiv 2310.20673, Eq. 1-4; Tran et al. 2022, Eq. 2, 3 and Section 6):

- accuracy gap ``gap[g] = acc(d, g) - acc(s, g)``; the overall gap is the same over all examples;
- excess accuracy gap (EAG) ``psi[g] = gap[g] - overall gap``: the group is hurt more than the average;
- ``max_psi`` is its maximum, ``psi_pw`` the largest difference between two groups' gaps;
- churn: the share of examples whose correctness differs between d and s;
- excessive loss ``R[g] = loss(s, g) - loss(d, g)`` and its largest pairwise difference;
- group accuracy spread: the largest difference between two groups' accuracies under s.

A group without examples has no estimate: NaN, left out of every maximum and minimum.
"""

from dataclasses import dataclass

import torch

from prunegap.shapes import ExampleBools, ExampleFloats, ExampleInts, GroupFloats, GroupInts, Scalar


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
class GapReport:
    """Every quantity of disparity between a dense and a sparse model on one split (fractions; losses in nats)."""

    dense: GroupPerformance
    sparse: GroupPerformance
    overall_gap: Scalar
    group_gap: GroupFloats
    excess_gap: GroupFloats
    max_psi: Scalar
    psi_pw: Scalar
    churn: Scalar
    group_churn: GroupFloats
    excessive_loss: GroupFloats
    excessive_loss_spread: Scalar
    group_accuracy_spread: Scalar


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


def compare_outcomes(dense: Outcomes, sparse: Outcomes, groups: ExampleInts, num_groups: int) -> GapReport:
    """Return every disparity of ``sparse`` against ``dense`` on the same examples."""
    before = performance(dense, groups, num_groups)
    after = performance(sparse, groups, num_groups)
    overall_gap = before.accuracy - after.accuracy
    group_gap = before.group_accuracy - after.group_accuracy
    excess_gap = group_gap - overall_gap
    excessive_loss = after.group_loss - before.group_loss
    changed = (dense.correct != sparse.correct).double()
    return GapReport(
        dense=before,
        sparse=after,
        overall_gap=overall_gap,
        group_gap=group_gap,
        excess_gap=excess_gap,
        max_psi=_maximum(excess_gap),
        psi_pw=spread(group_gap),
        churn=changed.mean(),
        group_churn=group_means(changed, groups, num_groups),
        excessive_loss=excessive_loss,
        excessive_loss_spread=spread(excessive_loss),
        group_accuracy_spread=spread(after.group_accuracy),
    )


def spread(per_group: GroupFloats) -> Scalar:
    """Largest difference between two groups, leaving out groups without an estimate."""
    return _maximum(per_group) + _maximum(-per_group)


def _maximum(per_group: GroupFloats) -> Scalar:
    return per_group[~per_group.isnan()].max()
