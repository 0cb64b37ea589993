"""What a model takes the classes of one split for, and how well it ranks two classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nextafter

import torch

from prunegap.gaps.outcomes import Outcomes
from prunegap.shapes import ExampleInts

MOST_POINTS = 100


@dataclass(frozen=True)
class RocPoint:
    """One threshold on the probability of the second class: shares of the first and of the second class above it."""

    threshold: float
    false_positive_rate: float
    true_positive_rate: float


@dataclass(frozen=True)
class Classification:
    """Which class (row) was taken for which (column), as counts; for two classes a ROC curve, from (0, 0) to (1, 1)."""

    classes: Sequence[str]
    confusion: Sequence[Sequence[int]]
    roc: Sequence[RocPoint]


def classification(outcomes: Outcomes, labels: ExampleInts, classes: Sequence[str]) -> Classification:
    """Return how a model classifies one split.

    The probability of the second class follows from the loss, the negative logarithm of the true class's probability.
    There is no curve where there are more classes, examples of one only, or losses that are no number.
    """
    count = len(classes)
    cells = torch.bincount(labels * count + outcomes.predicted, minlength=count * count)
    known = not bool(outcomes.loss.isnan().any())
    both = count == 2 and 0 < int(labels.sum()) < len(labels)
    return Classification(
        tuple(classes), cells.reshape(count, count).tolist(), _curve(outcomes, labels) if both and known else ()
    )


def _curve(outcomes: Outcomes, labels: ExampleInts) -> list[RocPoint]:
    of_true = (-outcomes.loss.double()).exp()
    # To what single precision tells of a loss: equal probabilities of the two classes' examples are to meet.
    scores, order = torch.where(labels == 1, of_true, 1 - of_true).round(decimals=6).sort(descending=True)
    positive = labels[order]
    # A threshold for each score that occurs: examples of equal score pass together.
    last = torch.cat([(scores[1:] != scores[:-1]).nonzero().flatten(), torch.tensor([len(scores) - 1])])
    true, passed = positive.cumsum(0)[last], last + 1
    rates = zip(
        scores[last].tolist(),
        ((passed - true) / (1 - labels).sum()).tolist(),
        (true / labels.sum()).tolist(),
        strict=True,
    )
    points = [RocPoint(nextafter(1, 2), 0.0, 0.0), *(RocPoint(*one) for one in rates)]
    if len(points) <= MOST_POINTS:
        return points
    kept = torch.linspace(0, len(points) - 1, MOST_POINTS).round().int().tolist()
    return [points[index] for index in kept]
