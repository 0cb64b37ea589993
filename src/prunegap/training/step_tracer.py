"""Keeps multipliers and violations over a sample of the steps, on the device until they are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from prunegap.constraints.dual import DualState, overall_constraint
from prunegap.training.records import StepTrace, optional

MAX_STEP_ROWS = 1000
MAX_NAMED_CONSTRAINTS = 16


class StepTracer:
    """Keeps multipliers and violations of at most 1,000 evenly spaced steps, on the device."""

    def __init__(self, expected_steps: int) -> None:
        self.every = max(1, -(-expected_steps // MAX_STEP_ROWS))
        self.step = 0
        self.steps: list[int] = []
        self.violations: list[Tensor] = []
        self.multipliers: list[Tensor] = []

    def record(self, dual: DualState) -> None:
        """Take note of the dual state after a step."""
        if self.step % self.every == 0:
            self.steps.append(self.step)
            self.violations.append(dual.violations)
            self.multipliers.append(dual.multipliers)
        self.step += 1

    def trace(self, names: Sequence[str]) -> StepTrace | None:
        """Return the trace of the most active constraints, or None if no step was recorded."""
        if not self.steps:
            return None
        violations, multipliers = torch.stack(self.violations), torch.stack(self.multipliers)
        active = multipliers.abs().amax(dim=0).argsort(descending=True, stable=True)[:MAX_NAMED_CONSTRAINTS]
        worst = torch.stack([overall_constraint(row) for row in violations])
        largest = multipliers.amax(dim=1)
        return StepTrace(
            names=[names[i] for i in _integers(active)] + ["maximum"],
            steps=self.steps,
            violations=[optional(row) for row in torch.column_stack([violations[:, active], worst]).tolist()],
            multipliers=torch.column_stack([multipliers[:, active], largest]).tolist(),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs."""
        state: dict[str, Any] = {"step": self.step, "steps": self.steps}
        if self.steps:
            state |= {
                "violations": torch.stack(self.violations),
                "multipliers": torch.stack(self.multipliers),
            }
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of :meth:`state_dict`."""
        self.step, self.steps = state["step"], list(state["steps"])
        self.violations = list(state["violations"]) if self.steps else []
        self.multipliers = list(state["multipliers"]) if self.steps else []


def _integers(values: Tensor) -> list[int]:
    return values.tolist()
