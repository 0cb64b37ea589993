"""Our entries in the table of statistics: every disparity between a dense and a sparse model (fractions, nats).

For a dense model d, a sparse model s and a data set split into disjoint groups g
("Balancing Act", arXiv 2310.20673, Eq. 1-4; Tran et al. 2022, Eq. 2, 3 and Section 6):

- accuracy gap ``gap[g] = acc(d, g) - acc(s, g)``; the overall gap is the same over all examples;
- excess accuracy gap (EAG) ``psi[g] = gap[g] - overall gap``; ``max_psi`` is its maximum;
- ``psi_pw`` is the largest difference between two groups' gaps;
- churn: the share of examples whose correctness differs between d and s;
- excessive loss ``R[g] = loss(s, g) - loss(d, g)`` and its largest pairwise difference;
- group accuracy spread: the largest difference between two groups' accuracies under s.
"""

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


GROUP_STATISTICS = (
    GroupStatistic(
        "dense_accuracy",
        "fraction",
        "Accuracy of the dense model on the group.",
        places=(),
        of=lambda pair: pair.before.group_accuracy,
    ),
    GroupStatistic(
        "accuracy",
        "fraction",
        "Accuracy of the sparse model on the group.",
        places=("tracking",),
        of=lambda pair: pair.after.group_accuracy,
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
    ),
    GroupStatistic(
        "excess_gap",
        "fraction",
        "A group's accuracy gap minus the overall gap: by how much more the group is hurt than the average.",
        title="excess accuracy gap",
        difference=True,
        places=("table", "tracking"),
        of=_excess_gap,
    ),
    GroupStatistic(
        "churn",
        "fraction",
        "Share of the group's examples whose correctness differs between the dense and the sparse model.",
        places=("tracking",),
        of=lambda pair: pair.by_group(pair.changed),
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
        of=lambda pair: pair.before.accuracy,
    ),
    OverallStatistic(
        "accuracy",
        "fraction",
        "Share of examples that the sparse model classifies right.",
        of=lambda pair: pair.after.accuracy,
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
    ),
    OverallStatistic(
        "max_psi",
        "fraction",
        "The largest excess accuracy gap of any group. It is found for each seed and then averaged, so it can be "
        "larger than the averaged gap of every single group.",
        title="max psi",
        difference=True,
        of=lambda pair: largest(_excess_gap(pair)),
    ),
    OverallStatistic(
        "psi_pw",
        "fraction",
        "The largest difference between the accuracy gaps of two groups.",
        title="Psi_PW",
        difference=True,
        of=lambda pair: spread(_gap(pair)),
    ),
    OverallStatistic(
        "churn",
        "fraction",
        "Share of examples whose correctness differs between the dense and the sparse model, either way.",
        of=lambda pair: pair.changed.mean(),
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
    ),
)

STATISTICS = (*GROUP_STATISTICS, *OVERALL_STATISTICS)
