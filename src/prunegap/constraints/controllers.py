"""Controllers: how multipliers follow the violations; one of ours, others from installed packages.

A controller is an entry point of the group ``prunegap.controllers``: a class, or a function, that takes the dual step
size and returns an object with the methods of :class:`Controller`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from prunegap.errors import UserError
from prunegap.extensions import extension
from prunegap.shapes import ConstraintFloats


@runtime_checkable
class Controller(Protocol):
    """How multipliers move; the formulation brings them back to where they may live afterwards."""

    def ascend(self, multipliers: ConstraintFloats, violations: ConstraintFloats) -> ConstraintFloats:
        """Return the multipliers after one dual step.

        Args:
            multipliers: before it.
            violations: measured; NaN: not observed, and its multiplier stays as it is.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up the state of :meth:`state_dict`."""
        ...


class GradientAscent:
    """Dual gradient ascent with a fixed step size, no momentum ("Balancing Act", Algorithm 2)."""

    def __init__(self, step_size: float) -> None:
        self.step_size = step_size

    def ascend(self, multipliers: ConstraintFloats, violations: ConstraintFloats) -> ConstraintFloats:
        """Move each multiplier by its violation times the step size."""
        return multipliers + self.step_size * violations.nan_to_num(nan=0.0)

    def state_dict(self) -> dict[str, Tensor]:
        """Return nothing: a step depends on the violations alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up nothing."""


MakeController = Callable[[float], Controller]
"""From the dual step size to a controller."""


def controller(name: str) -> MakeController:
    """Return the maker of the controller of that name.

    Raises:
        UserError: no such controller, or its package cannot be imported. The returned maker: what is made lacks a
            method of :class:`Controller`.
    """
    make: MakeController = extension("controllers", name)

    def checked(step_size: float) -> Controller:
        made: Any = make(step_size)
        if not isinstance(made, Controller):
            raise UserError(
                f"controller '{name}' must make an object with ascend, state_dict and load_state_dict, it made a "
                f"{type(made).__name__}; correct the package that adds it"
            )
        return made

    return checked
