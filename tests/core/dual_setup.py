"""A dual state over a given dense reference, in double precision, for the tests of this folder."""

from collections.abc import Sequence
from typing import Literal

import torch

from prunegap.constraints.controllers import GradientAscent, MakeController
from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import (
    ConstrainedMethod,
    DenseReference,
    FormulationSettings,
    constrained_method,
)


def dual_state(
    method: str | ConstrainedMethod,
    counts: Sequence[int],
    accuracy: Sequence[float] | None = None,
    loss: Sequence[float] | None = None,
    *,
    step_size: float = 0.5,
    capacity: int = 2,
    overall: Literal["share", "balanced"] = "share",
    tolerance: float = 0.01,
    equality: Literal["signed", "absolute"] = "signed",
    controller: MakeController = GradientAscent,
) -> DualState:
    zeros = [0.0] * len(counts)
    return DualState(
        constrained_method(method) if isinstance(method, str) else method,
        FormulationSettings(tolerance, equality),
        DualSettings(step_size, capacity, overall, controller),
        DenseReference(
            torch.tensor(accuracy or zeros, dtype=torch.float64),
            torch.tensor(loss or zeros, dtype=torch.float64),
            torch.tensor(counts),
        ),
        [f"group {g}" for g in range(len(counts))],
        dtype=torch.float64,
    )
