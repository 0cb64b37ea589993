"""What pruning costs each group: outcomes of two models on the same examples, and the table of statistics of them."""

from prunegap.gaps.classification import Classification, classification
from prunegap.gaps.outcomes import GroupPerformance, Outcomes, Pair, group_means, performance, spread
from prunegap.gaps.statistic import (
    GroupStatistic,
    Measures,
    OverallStatistic,
    compare_outcomes,
    group_statistics,
    overall_statistics,
    quantity_of,
)

__all__ = [
    "Classification",
    "GroupPerformance",
    "GroupStatistic",
    "Measures",
    "Outcomes",
    "OverallStatistic",
    "Pair",
    "classification",
    "compare_outcomes",
    "group_means",
    "group_statistics",
    "overall_statistics",
    "performance",
    "quantity_of",
    "spread",
]
