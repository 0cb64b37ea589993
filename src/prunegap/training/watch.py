"""What is said of a training while it runs, so that one that goes wrong does not cost its hours first."""

import logging
import math
from collections.abc import Sequence

from prunegap.training.records import EpochEntry

logger = logging.getLogger(__name__)

SUM_OF_MULTIPLIERS = 1.0
"""Above it the examples of other groups in a batch can have negative weights (:mod:`prunegap.constraints.dual`)."""
RISE = math.log(2)
"""In nats: the typical (geometric mean) probability of the true class is half of what it was."""


def tell(entries: Sequence[EpochEntry], label: str) -> None:
    """Warn of what the last epoch shows for the first time: multipliers above 1 in sum, a loss that rises.

    Args:
        entries: the epochs so far, the last one just ended.
        label: what is trained.
    """
    *before, last = entries
    if _sum(last) > SUM_OF_MULTIPLIERS and all(_sum(entry) <= SUM_OF_MULTIPLIERS for entry in before):
        largest, value = max(last.multipliers.items(), key=lambda one: one[1])
        logger.warning(
            "%s, epoch %d: the multipliers sum to %.2g, above 1 (that of %s is %.2g), and examples of other groups may "
            "count negatively; if accuracy falls, lower dual_step_size, bound the multipliers (controller_options: "
            "[bound=...]), or raise tolerance",
            label,
            last.epoch,
            _sum(last),
            largest,
            value,
        )
    lowest = _risen_from(entries)
    if lowest is not None and not any(_risen_from(entries[:end]) for end in range(1, len(entries))):
        logger.warning(
            "%s, epoch %d: the mean training loss is %.3g and was %.3g in epoch %d: training diverges; lower "
            "learning_rate, or dual_step_size if the method is constrained",
            label,
            last.epoch,
            last.train_loss,
            lowest.train_loss,
            lowest.epoch,
        )


def _sum(entry: EpochEntry) -> float:
    return math.fsum(value for value in entry.multipliers.values() if value > 0)


def _risen_from(entries: Sequence[EpochEntry]) -> EpochEntry | None:
    """The epoch of the same sparsity that the last one's loss is above by more than ``RISE``, if there is one."""
    *before, last = entries
    alike = [entry for entry in before if entry.sparsity == last.sparsity]
    lowest = min(alike, key=lambda entry: entry.train_loss, default=last)
    return lowest if last.train_loss > lowest.train_loss + RISE else None
