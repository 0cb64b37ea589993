"""What a package of somebody else's adds in one file: a controller and a source with an option of its own."""

import numpy as np
import torch
from torch import Tensor

from prunegap.sources.rows import Rows

POINTS = {
    "controllers": {"momentum": f"{__name__}:Momentum"},
    "sources": {"squares": f"{__name__}:open_squares"},
}


class Momentum:
    """Dual ascent with heavy-ball momentum 0.5; a constraint that is not observed keeps its multiplier and speed."""

    def __init__(self, step_size: float) -> None:
        self.step_size = step_size
        self.speed = torch.zeros(())

    def ascend(self, multipliers: Tensor, violations: Tensor) -> Tensor:
        moved = 0.5 * self.speed + violations
        self.speed = torch.where(violations.isnan(), self.speed, moved)
        return torch.where(violations.isnan(), multipliers, multipliers + self.step_size * moved)

    def state_dict(self) -> dict[str, Tensor]:
        return {"speed": self.speed}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.speed = state["speed"]


def open_squares(location, options, *, side: str = "4") -> Rows:
    """Thirty grey squares of two shades."""
    return Rows(
        names=[f"square {row}" for row in range(30)],
        columns={"shade": [("dark", "light")[row % 2] for row in range(30)]},
        load=lambda row: np.full((int(side), int(side)), 10 + 100 * (row % 2) + row, dtype=np.uint8),
        default_target="shade",
        default_group="shade",
    )
