"""Controllers: how multipliers follow the violations; ours, and those of installed packages.

A controller is an entry point of the group ``prunegap.controllers``: a class, or a function, that takes the dual step
size and returns an object with the methods of :class:`Controller`. What it takes by keyword only, a number with a
default, is an option of it alone, set with ``controller_options``.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from prunegap.errors import UserError
from prunegap.extensions import extension, require_options
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
    """Dual gradient ascent with a fixed step size, no momentum ("Balancing Act", Algorithm 2).

    Args:
        step_size: of the multipliers.
        bound: largest size of a multiplier. One that a constraint cannot be met by grows without end, and takes as
            long to come back (wind-up).
    """

    def __init__(self, step_size: float, *, bound: float = math.inf) -> None:
        self.step_size = step_size
        self.bound = _not_negative("bound", bound)

    def ascend(self, multipliers: ConstraintFloats, violations: ConstraintFloats) -> ConstraintFloats:
        """Move each multiplier by its violation times the step size."""
        return (multipliers + self.step_size * violations.nan_to_num(nan=0.0)).clamp(-self.bound, self.bound)

    def state_dict(self) -> dict[str, Tensor]:
        """Return nothing: a step depends on the violations alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up nothing."""


class ProportionalIntegral:
    """PI control: gradient ascent that also answers the violation itself (nuPI, Sohrabi et al. 2024, Algorithm 1).

    ``xi[t] = smoothing * xi[t-1] + (1 - smoothing) * v[t]``, v the violations, ``xi[-1] = 0``, and
    ``multiplier += step_size * (v[t] + proportional * (xi[t] - xi[t-1]))``: as long as no bound is met,
    ``step_size`` times the sum of all violations and ``proportional`` times the last. A multiplier at a bound, 0 among
    them, gathers nothing more: what is added to is what was kept.

    Args:
        step_size: of the multipliers, of the integral.
        proportional: how many dual steps the last violation counts for. ``step_size * proportional`` acts as the
            penalty coefficient of the augmented Lagrangian (Ramirez & Lacoste-Julien 2026): raise it until
            multipliers stop overshooting, and no further than the noise of the measurement lets them stand still.
        smoothing: in [0, 1): of that violation; a measurement over few examples is noisy.
        bound: largest size of a multiplier.
    """

    def __init__(
        self, step_size: float, *, proportional: float = 10.0, smoothing: float = 0.0, bound: float = math.inf
    ) -> None:
        self.step_size = step_size
        self.proportional = _not_negative("proportional", proportional)
        if not 0 <= smoothing < 1:
            raise UserError(f"controller_options: smoothing must be in [0, 1), got {smoothing:g}")
        self.smoothing = smoothing
        self.bound = _not_negative("bound", bound)
        self.smoothed: Tensor | None = None

    def ascend(self, multipliers: ConstraintFloats, violations: ConstraintFloats) -> ConstraintFloats:
        """Move each observed multiplier by its violation and the change of that."""
        before = torch.zeros_like(violations) if self.smoothed is None else self.smoothed
        change = ((1 - self.smoothing) * (violations - before)).nan_to_num(nan=0.0)
        self.smoothed = before + change
        moved = self.step_size * (violations.nan_to_num(nan=0.0) + self.proportional * change)
        return (multipliers + moved).clamp(-self.bound, self.bound)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the smoothed violations, if there are any yet."""
        return {} if self.smoothed is None else {"smoothed": self.smoothed}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up the state of :meth:`state_dict`."""
        self.smoothed = state.get("smoothed")


MakeController = Callable[[float], Controller]
"""From the dual step size to a controller."""


def controller(name: str, options: Mapping[str, str] | None = None) -> MakeController:
    """Return the maker of the controller of that name.

    Args:
        name: of an entry point.
        options: numbers, as text, that this controller alone has.

    Raises:
        UserError: no such controller or option, an option that is no number, or its package cannot be imported. The
            returned maker: a value out of range, or what is made lacks a method of :class:`Controller`.
    """
    make: Callable[..., Controller] = extension("controllers", name)
    given = options or {}
    require_options("controllers", name, given, "controller_options")
    own = {option: _number(option, text) for option, text in given.items()}

    def checked(step_size: float) -> Controller:
        made: Any = make(step_size, **own)
        if not isinstance(made, Controller):
            raise UserError(
                f"controller '{name}' must make an object with ascend, state_dict and load_state_dict, it made a "
                f"{type(made).__name__}; correct the package that adds it"
            )
        return made

    return checked


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"controller_options: {option} must be a number, got '{text}'") from None


def _not_negative(option: str, value: float) -> float:
    if not value >= 0:  # NaN too
        raise UserError(f"controller_options: {option} must be >= 0, got {value:g}")
    return value
