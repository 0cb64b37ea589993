"""What a constrained method is made of, and the registry that finds every method.

A formulation says what is measured (and enters the replay buffers), how far the measurement is from the
constraint, which surrogate stands in for it in the gradient, and where multipliers may live. It is one small
module, and an entry point in the group ``prunegap.formulations`` that names the module for each of its methods.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import torch

from prunegap.constraints.measures import ACCURACY, LOSS, Examples, Measure
from prunegap.errors import UserError
from prunegap.extensions import entry_point, extension
from prunegap.shapes import ConstraintFloats, ExampleInts, GroupBools, GroupFloats, GroupInts, Scalar


@dataclass(frozen=True)
class DenseReference:
    """The dense model on the whole training set, evaluation mode (accuracy as fraction, loss in nats).

    Attributes:
        group_accuracy: by group.
        group_loss: by group.
        group_count: how many examples each group has.
        examples: what it does with each of them; measures other than accuracy and loss need it.
        groups: group of each of them.
    """

    group_accuracy: GroupFloats
    group_loss: GroupFloats
    group_count: GroupInts
    examples: Examples | None = None
    groups: ExampleInts | None = None

    def of(self, measure: Measure) -> tuple[GroupFloats, GroupInts]:
        """Return the mean of a measure by group, and over how many examples it is.

        Raises:
            UserError: it needs single examples, and there are none.
        """
        if measure == ACCURACY:
            return self.group_accuracy, self.group_count
        if measure == LOSS:
            return self.group_loss, self.group_count
        if self.examples is None or self.groups is None:
            raise UserError(
                f"{measure.name} is measured, and of the dense model only accuracies and losses by group are known; "
                "give DenseReference its examples and their groups"
            )
        values = measure.of(self.examples)
        counted = ~values.isnan()
        count = torch.zeros_like(self.group_count).index_add_(0, self.groups, counted.long())
        total = torch.zeros_like(self.group_accuracy).index_add_(
            0, self.groups, values.nan_to_num(nan=0.0).to(self.group_accuracy.dtype)
        )
        return total / count, count


@dataclass(frozen=True)
class Measured:
    """Current estimates of the measured quantity; NaN for groups not observed."""

    sparse: GroupFloats
    sparse_overall: Scalar
    dense: GroupFloats
    dense_overall: Scalar

    @property
    def gap(self) -> GroupFloats:
        """What each group has less than under the dense model: of accuracies its gap."""
        return self.dense - self.sparse

    @property
    def excess_gap(self) -> GroupFloats:
        """How much more each group loses than all examples do."""
        return self.gap - (self.dense_overall - self.sparse_overall)


@dataclass(frozen=True)
class BatchLoss:
    """Mean losses of the batch's examples that are measured (0 for a group that has none in it)."""

    group: GroupFloats
    overall: Scalar
    present: GroupBools


@dataclass(frozen=True)
class FormulationSettings:
    """What a formulation may depend on.

    Attributes:
        tolerance: allowed excess, fraction (accuracy) or nats (loss).
        equality: ``signed`` lets multipliers of an equality take either sign; ``absolute`` constrains |.|.
    """

    tolerance: float
    equality: Literal["signed", "absolute"] = "signed"


class Formulation(Protocol):
    """One constrained problem.

    A class that compares with no dense model says ``needs_dense = False``, and can train the dense model too.

    Attributes:
        measures: what is measured, and enters the replay buffers.
    """

    measures: Measure

    def names(self, group_names: Sequence[str]) -> Sequence[str]:
        """Name of each constraint."""
        ...

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Measured violation of each constraint; NaN: not observed."""
        ...

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:
        """Coefficient c[g] of the surrogate ``sum_g c[g] * (l_B[g] - L_B)`` over the groups in the batch."""
        ...

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        """Bring multipliers back to where they may live."""
        ...


@dataclass(frozen=True)
class ConstrainedMethod:
    """A method's name, its formulation, whether replay buffers or the batch alone measure it, and what it does."""

    name: str
    formulation: Callable[[FormulationSettings], Formulation]
    buffers: bool
    summary: str = ""

    @property
    def needs_dense(self) -> bool:
        """Whether the formulation compares with a dense model."""
        return getattr(self.formulation, "needs_dense", True)


_METHODS: dict[str, ConstrainedMethod] = {}
F = TypeVar("F", bound=Callable[[FormulationSettings], Formulation])


def method(name: str, *, buffers: bool, summary: str = "") -> Callable[[F], F]:
    """Register the decorated formulation as a method under ``name``.

    Args:
        name: as in flags and tables.
        buffers: whether replay buffers measure it, or the batch alone.
        summary: what the method does, a sentence for readers of a report; empty: the docstring's first line.
    """

    def register(formulation: F) -> F:
        docstring = (formulation.__doc__ or "").strip()
        _METHODS[name] = ConstrainedMethod(name, formulation, buffers, summary or docstring.partition("\n")[0])
        return formulation

    return register


def constrained_method(name: str) -> ConstrainedMethod:
    """Return the method of that name.

    Raises:
        UserError: no such method, or its module cannot be imported or registers none of that name.
    """
    extension("formulations", name)
    if name not in _METHODS:
        module = entry_point("formulations", name).value
        raise UserError(
            f"method '{name}': {module} registers no method of that name; decorate one with @method('{name}')"
        )
    return _METHODS[name]
