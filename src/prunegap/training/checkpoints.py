"""A checkpoint: the whole state of a training between two epochs, in one file that is never half-written."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunegap.training.run import TrainingState

logger = logging.getLogger(__name__)


class Checkpoint:
    """Saves and takes up the state of one training.

    Args:
        path: file of the checkpoint.
        fingerprint: digest of everything that decides the result; a checkpoint of another one is ignored.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint

    def resume(self, state: TrainingState) -> bool:
        """Bring ``state`` to where the checkpoint stands; False if there is none that fits."""
        if not self.path.exists():
            return False
        from prunegap.training.tree import load_tree

        stored = load_tree(self.path)
        if stored["fingerprint"] != self.fingerprint:
            return False
        state.load_state_dict(stored["state"])
        logger.info("goes on from its checkpoint at epoch %d", state.epoch)
        return True

    def save(self, state: TrainingState) -> None:
        """Replace the checkpoint by the present state."""
        from prunegap.training.tree import save_tree

        save_tree(self.path, {"fingerprint": self.fingerprint, "state": state.state_dict()})
