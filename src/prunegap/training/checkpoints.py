"""A checkpoint: the whole state of a training between two epochs. It is a cache: one of no use is told and replaced."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from prunegap.atomic import leftovers, write_atomically
from prunegap.errors import UserError

if TYPE_CHECKING:
    import torch

    from prunegap.training.state import TrainingState

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
        """Bring ``state`` to where the checkpoint stands; False if there is none, a damaged or another training's."""
        if not self.path.exists():
            return False
        try:
            stored = load_checkpoint(self.path, next(state.model.parameters()).device)
        except UserError as error:
            logger.warning("%s; training starts over", error)
            return False
        if stored["fingerprint"] != self.fingerprint:
            logger.warning("%s: the checkpoint of another training (settings, inputs or code differ); "
                           "training starts over", self.path)  # fmt: skip
            return False
        state.load_state_dict(stored["state"])
        logger.info("goes on from its checkpoint at epoch %d", state.epoch)
        return True

    def save(self, state: TrainingState) -> None:
        """Replace the checkpoint by the present state; another run that did the same may clear it away meanwhile."""
        try:
            save_checkpoint(self.path, {"fingerprint": self.fingerprint, "state": state.state_dict()})
        except FileNotFoundError:
            logger.warning("%s: was cleared away while it was written; the next epoch saves another", self.path)


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write nested plain values and tensors, atomically; strides are kept, and so is what tensors share.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    import torch

    with write_atomically(path, durable=True) as beside, beside.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch's writer puts an error of its own in front of why the file could not be written.
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote of a training; nothing in the file is run.

    Raises:
        UserError: no such file, a damaged one (every byte is checked), or no checkpoint.
    """
    import torch

    try:
        with ZipFile(path) as archive:  # torch itself reads tensors without checking them
            damaged = archive.testzip()
        if damaged is not None:
            raise BadZipFile(f"{damaged} is not what was written")
        stored = torch.load(path, map_location=device, weights_only=True)
        return {name: stored[name] for name in ("fingerprint", "state")}
    except Exception as error:  # noqa: BLE001, RUF100 - a damaged file fails in many ways
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: a damaged checkpoint, or none ({reason})") from None


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint that may be there, and what killed attempts at writing it left."""
    for file in (path, *leftovers(path)):
        file.unlink(missing_ok=True)
