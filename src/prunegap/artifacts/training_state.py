"""An optimizer's state beside a model, so that fine-tuning goes on with the momentum pruning ended with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunegap.training.tree import load_tree, save_tree

TRAINING_STATE = "training_state.safetensors"


def save_training_state(folder: Path, optimizer_state: Mapping[str, Any]) -> None:
    """Write nested plain values and tensors, e.g. ``optimizer.state_dict()``, into an artifact folder."""
    save_tree(folder / TRAINING_STATE, optimizer_state)


def load_training_state(folder: Path) -> dict[str, Any]:
    """Read what :func:`save_training_state` wrote, types and bits as they were; tensors on the CPU.

    Raises:
        UserError: no such file, or a damaged one.
    """
    return load_tree(folder / TRAINING_STATE)
