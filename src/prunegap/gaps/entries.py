"""Our entries in the table of statistics: every disparity between a dense and a sparse model (fractions, nats).

For a dense model d, a sparse model s and a data set split into disjoint groups g
("Balancing Act", arXiv 2310.20673, Eq. 1-4; Tran et al. 2022, Eq. 2, 3 and Section 6):

- accuracy gap ``gap[g] = acc(d, g) - acc(s, g)``; the overall gap is the same over all examples;
- excess accuracy gap (EAG) ``psi[g] = gap[g] - overall gap``; ``max_psi`` is its maximum;
- ``psi_pw`` is the largest difference between two groups' gaps;
- churn: the share of examples whose correctness differs between d and s;
- excessive loss ``R[g] = loss(s, g) - loss(d, g)`` and its largest pairwise difference;
- group accuracy spread: the largest difference between two groups' accuracies under s.

Losses have no limits.
"""

import torch

from prunegap.gaps import limits
from prunegap.gaps.outcomes import Pair, largest, spread
from prunegap.gaps.statistic import GroupStatistic, OverallStatistic
from prunegap.shapes import GroupFloats, Scalar


def _gap(pair: Pair) -> GroupFloats:
    return pair.before.group_accuracy - pair.after.group_accuracy


def _overall_gap(pair: Pair) -> Scalar:
    return pair.before.accuracy - pair.after.accuracy


def _excess_gap(pair: Pair) -> GroupFloats:
    return _gap(pair) - _overall_gap(pair)


def _excessive_loss(pair: Pair) -> GroupFloats:
    return pair.after.group_loss - pair.before.group_loss


def _by_chance(name: str, title: str, floor: int, description: str) -> OverallStatistic:
    """Return the noise floor of a largest value: the mean of the draws, and what 95 % of them are at most."""
    return OverallStatistic(
        f"{name}_by_chance",
        "fraction",
        description,
        title=f"{title} by chance",
        difference=True,
        places=("tracking",),
        of=lambda pair: torch.tensor(pair.noise_floors[floor].mean, dtype=torch.float64),
        limits=lambda pair, _: (None, pair.noise_floors[floor].high),
        hold="draws",
    )


GROUP_STATISTICS = (
    GroupStatistic(
        "dense_accuracy",
        "fraction",
        "Accuracy of the dense model on the group.",
        places=(),
        least=0.0,
        most=1.0,
        of=lambda pair: pair.before.group_accuracy,
        limits=lambda pair, alpha: limits.of_accuracy(pair.dense, pair, alpha),
    ),
    GroupStatistic(
        "accuracy",
        "fraction",
        "Accuracy of the sparse model on the group.",
        places=("tracking",),
        least=0.0,
        most=1.0,
        of=lambda pair: pair.after.group_accuracy,
        limits=lambda pair, alpha: limits.of_accuracy(pair.sparse, pair, alpha),
    ),
    GroupStatistic(
        "dense_loss",
        "nats",
        "Mean loss of the dense model on the group.",
        places=(),
        of=lambda pair: pair.before.group_loss,
    ),
    GroupStatistic(
        "loss",
        "nats",
        "Mean loss of the sparse model on the group.",
        places=(),
        of=lambda pair: pair.after.group_loss,
    ),
    GroupStatistic(
        "gap",
        "fraction",
        "Accuracy of the dense model minus accuracy of the sparse model on one group, in percentage points. "
        "Positive: pruning hurt the group.",
        title="accuracy gap",
        difference=True,
        line="overall_gap",
        places=("plot",),
        of=_gap,
        limits=limits.of_gaps,
        hold="together",
    ),
    GroupStatistic(
        "excess_gap",
        "fraction",
        "A group's accuracy gap minus the overall gap: by how much more the group is hurt than the average.",
        title="excess accuracy gap",
        difference=True,
        places=("table", "tracking"),
        of=_excess_gap,
        limits=limits.of_excess_gaps,
        hold="together",
    ),
    GroupStatistic(
        "churn",
        "fraction",
        "Share of the group's examples whose correctness differs between the dense and the sparse model.",
        places=("tracking",),
        of=lambda pair: pair.by_group(pair.changed),
        least=0.0,
        most=1.0,
        limits=limits.of_churn,
    ),
    GroupStatistic(
        "lost_count",
        "count",
        "Examples of the group that the dense model has right and the sparse model wrong.",
        places=(),
        of=lambda pair: torch.as_tensor(pair.counts.lost).double(),
    ),
    GroupStatistic(
        "gained_count",
        "count",
        "Examples of the group that the dense model has wrong and the sparse model right.",
        places=(),
        of=lambda pair: torch.as_tensor(pair.counts.gained).double(),
    ),
    GroupStatistic(
        "excessive_loss",
        "nats",
        "Mean loss of the sparse model minus mean loss of the dense model on the group.",
        difference=True,
        places=(),
        of=_excessive_loss,
    ),
)

OVERALL_STATISTICS = (
    OverallStatistic(
        "dense_accuracy",
        "fraction",
        "Accuracy of the dense model.",
        places=(),
        least=0.0,
        most=1.0,
        of=lambda pair: pair.before.accuracy,
        limits=lambda pair, alpha: limits.of_overall_accuracy(pair.dense, pair, alpha),
    ),
    OverallStatistic(
        "accuracy",
        "fraction",
        "Share of examples that the sparse model classifies right.",
        least=0.0,
        most=1.0,
        of=lambda pair: pair.after.accuracy,
        limits=lambda pair, alpha: limits.of_overall_accuracy(pair.sparse, pair, alpha),
    ),
    OverallStatistic(
        "dense_loss", "nats", "Mean loss of the dense model.", places=(), of=lambda pair: pair.before.loss
    ),
    OverallStatistic(
        "loss", "nats", "Mean loss of the sparse model.", places=("tracking",), of=lambda pair: pair.after.loss
    ),
    OverallStatistic(
        "overall_gap",
        "fraction",
        "The accuracy gap over all examples.",
        difference=True,
        places=("tracking",),
        of=_overall_gap,
        limits=limits.of_overall_gap,
    ),
    OverallStatistic(
        "max_psi",
        "fraction",
        "The largest excess accuracy gap of any group. It is found for each seed and then averaged, so it can be "
        "larger than the averaged gap of every single group.",
        title="max psi",
        difference=True,
        of=lambda pair: largest(_excess_gap(pair)),
        least=0.0,
        limits=limits.of_max_psi,
        hold="each bound alone",
    ),
    OverallStatistic(
        "psi_pw",
        "fraction",
        "The largest difference between the accuracy gaps of two groups.",
        title="Psi_PW",
        difference=True,
        of=lambda pair: spread(_gap(pair)),
        least=0.0,
        limits=limits.of_psi_pw,
        hold="each bound alone",
    ),
    _by_chance(
        "max_psi",
        "max psi",
        0,
        "What max psi comes to where groups of the same sizes are drawn at random, on average and for 95 % of the "
        "draws: its noise floor.",
    ),
    _by_chance("psi_pw", "Psi_PW", 1, "Likewise what Psi_PW comes to."),
    OverallStatistic(
        "churn",
        "fraction",
        "Share of examples whose correctness differs between the dense and the sparse model, either way.",
        of=lambda pair: pair.changed.mean(),
        least=0.0,
        most=1.0,
        limits=limits.of_overall_churn,
    ),
    OverallStatistic(
        "excessive_loss_spread",
        "nats",
        "The largest difference between the excessive losses of two groups.",
        places=("tracking",),
        of=lambda pair: spread(_excessive_loss(pair)),
    ),
    OverallStatistic(
        "group_accuracy_spread",
        "fraction",
        "The largest difference between two groups' accuracies under the sparse model.",
        difference=True,
        places=("tracking",),
        of=lambda pair: spread(pair.after.group_accuracy),
        least=0.0,
        limits=limits.of_accuracy_spread,
        hold="each bound alone",
    ),
)

STATISTICS = (*GROUP_STATISTICS, *OVERALL_STATISTICS)
