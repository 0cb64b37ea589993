"""What of a training changes, between two epochs: all that a resumed run needs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from prunegap.constraints.dual import DualState
from prunegap.training.records import EpochEntry
from prunegap.training.step_tracer import StepTracer


@dataclass
class TrainingState:
    """Everything about a training that changes, between two epochs.

    ``epoch`` is the next one; ``rule_memory`` is what the pruning rule keeps from one pruning to the next.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    masks: dict[str, Tensor]
    epoch: int = 0
    dual: DualState | None = None
    tracer: StepTracer | None = None
    entries: list[EpochEntry] = field(default_factory=list[EpochEntry])
    best_accuracy: float = -1.0
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    rule_memory: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state as nested plain values and tensors."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "masks": self.masks,
            "epoch": self.epoch,
            "dual": None if self.dual is None else self.dual.state_dict(),
            "tracer": None if self.tracer is None else self.tracer.state_dict(),
            "entries": [asdict(entry) for entry in self.entries],
            "rule_memory": self.rule_memory,
            "best": {"accuracy": self.best_accuracy, "epoch": self.best_epoch, "weights": self.best_weights},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of :meth:`state_dict`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        device = next(self.model.parameters()).device
        self.masks = {name: mask.to(device) for name, mask in state["masks"].items()}
        self.epoch = state["epoch"]
        if self.dual is not None:
            self.dual.load_state_dict(state["dual"])
        if self.tracer is not None:
            self.tracer.load_state_dict(state["tracer"])
        self.entries = [EpochEntry(**entry) for entry in state["entries"]]
        self.rule_memory = state["rule_memory"]
        best = state["best"]
        self.best_accuracy, self.best_epoch, self.best_weights = (
            best["accuracy"],
            best["epoch"],
            best["weights"],
        )
