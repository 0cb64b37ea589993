"""What every stage that trains does around the epochs: go on from its checkpoint, log, save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunegap.artifacts.history import epoch_metrics

if TYPE_CHECKING:
    from prunegap.data.grouped import Split
    from prunegap.tracking.protocol import Tracker
    from prunegap.training.checkpoints import Checkpoint
    from prunegap.training.run import TrainingPlan
    from prunegap.training.state import TrainingState


def train_with_checkpoints(
    state: TrainingState,
    plan: TrainingPlan,
    split: Split,
    *,
    until: int,
    checkpoint: Checkpoint,
    every: int,
    tracker: Tracker,
) -> None:
    """Train ``state`` to the start of epoch ``until``, from where its checkpoint stands, and finish its method.

    Args:
        state: changed in place.
        plan: of the training.
        split: to train on.
        until: first epoch that is not trained.
        checkpoint: taken up if it fits, and saved.
        every: epochs between two checkpoints.
        tracker: shown every epoch, those of an earlier attempt too.
    """
    from prunegap.training.run import train

    finish = plan.method.finish and plan.method.finish(state, plan)
    checkpoint.resume(state)
    for entry in state.entries:
        tracker.log_metrics(epoch_metrics(entry), entry.epoch)
    for entry in train(state, plan, split, until=until):
        tracker.log_metrics(epoch_metrics(entry), entry.epoch)
        if state.epoch % every == 0:
            checkpoint.save(state)
    if finish:
        finish()
