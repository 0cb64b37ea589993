"""What a formulation may measure: a value an example, whose means by group enter the constraints.

One is a :class:`Measure`; a package's own is a function of :class:`Examples` in one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch

from prunegap.errors import UserError
from prunegap.shapes import ExampleBools, ExampleFloats, ExampleInts

T = TypeVar("T")


@dataclass(frozen=True)
class Examples:
    """What is known of some examples and of what a model does with them, an entry an example.

    Attributes:
        loss: in nats, no gradient.
        correct: whether the model is right.
        given_labels: classes; None where whoever trains did not say.
        given_dense_correct: whether the dense model is right, in evaluation mode and without augmentation; None where
            there is none, or whoever trains did not say which examples of the training set these are.
    """

    loss: ExampleFloats
    correct: ExampleBools
    given_labels: ExampleInts | None = None
    given_dense_correct: ExampleBools | None = None

    @property
    def labels(self) -> ExampleInts:
        """Classes.

        Raises:
            UserError: they are not known.
        """
        return _known(self.given_labels, "the class of each example", "labels")

    @property
    def dense_correct(self) -> ExampleBools:
        """Whether the dense model is right.

        Raises:
            UserError: it is not known.
        """
        return _known(self.given_dense_correct, "what the dense model does with each example", "index")

    @property
    def confidence(self) -> ExampleFloats:
        """Probability of the true class."""
        return (-self.loss).exp()


@dataclass(frozen=True)
class Measure:
    """A quantity of single examples.

    Attributes:
        name: as in histories and messages.
        of: its value for each example; NaN: the example does not count, neither when its group is measured nor in the
            surrogate that answers.
        unit: ``fraction`` is shown in percentage points.
        partial: whether it leaves examples out (NaN).
    """

    name: str
    of: Callable[[Examples], ExampleFloats]
    unit: Literal["fraction", "nats"] = "fraction"
    partial: bool = False


ACCURACY = Measure("accuracy", lambda seen: seen.correct.to(seen.loss.dtype))
LOSS = Measure("loss", lambda seen: seen.loss, unit="nats")
CONFIDENCE = Measure("confidence", lambda seen: seen.confidence)
CHURN = Measure("churn", lambda seen: (seen.correct != seen.dense_correct).to(seen.loss.dtype))


def true_positive_rate(positive: int) -> Measure:
    """Return the accuracy among examples of one class, by its number: what equality of opportunity compares."""

    def of(seen: Examples) -> ExampleFloats:
        return ACCURACY.of(seen).masked_fill(seen.labels != positive, torch.nan)

    return Measure(f"true-positive rate of class {positive}", of, partial=True)


def _known(value: T | None, what: str, argument: str) -> T:
    if value is None:
        raise UserError(
            f"this method measures {what}, which is not known here (DualState.step is given it as '{argument}')"
        )
    return value
