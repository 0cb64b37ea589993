"""Where a stage that trains keeps its checkpoint."""

import os
from pathlib import Path

from prunegap.artifacts.identity import Identity
from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.training.checkpoints import Checkpoint

CHECKPOINT_DIR = "PRUNEGAP_CHECKPOINT_DIR"


def checkpoint_path(identity: Identity, first_output: Path) -> Path:
    """Return the file of a stage's checkpoint, removed once its outputs are sealed.

    Beside its first output; or, where ``PRUNEGAP_CHECKPOINT_DIR`` names a folder that outlives the container, there,
    under the identity of the result alone: a run that is submitted again has another id, and goes on all the same.
    """
    folder = os.environ.get(CHECKPOINT_DIR)
    if folder:
        return Path(folder) / f"{identity.digest}.checkpoint"
    return first_output.with_name(f"{first_output.name}.checkpoint")


def open_checkpoint(identity: Identity, first_output: Path) -> Checkpoint:
    """Return the checkpoint of a stage that trains; its folder is there.

    Raises:
        UserError: the folder of checkpoints cannot be written.
    """
    path = checkpoint_path(identity, first_output)
    with clear_disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return Checkpoint(path, identity.digest)
