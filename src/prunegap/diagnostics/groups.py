"""Tran et al.'s quantities of every group of a split."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor, nn

from prunegap.data.augment import ImageFormat
from prunegap.data.grouped import Split
from prunegap.diagnostics.eigenvalue import ITERATIONS, Eigenvalue, largest_eigenvalue
from prunegap.diagnostics.group_loss import GroupLoss
from prunegap.errors import UserError
from prunegap.models.modes import evaluation_mode
from prunegap.progress import track

BYTES = 4 * 1024**3
"""Most memory that the vectors of an eigenvalue may take."""


@dataclass(frozen=True)
class GroupDiagnosis:
    """One group under one model; NaN and None where it has no examples.

    Attributes:
        examples: how many it has.
        accuracy: of the model on them (fraction).
        loss: mean over them, in nats.
        gradient_norm: Euclidean norm of the gradient of that mean loss by all parameters.
        closeness: to the decision boundary, mean of p (1 - p) (Tran et al. 2022, Eq. 6).
        eigenvalue: the largest of the Hessian of the mean loss; None: not asked for.
        hessian_examples: how many of the examples that Hessian is of.
    """

    examples: int
    accuracy: float = nan
    loss: float = nan
    gradient_norm: float = nan
    closeness: float = nan
    eigenvalue: Eigenvalue | None = None
    hessian_examples: int = 0


def diagnose_groups(
    model: nn.Module,
    split: Split,
    image_format: ImageFormat,
    group_names: Sequence[str],
    *,
    hessian_examples: int = 512,
    tolerance: float = 1e-3,
    batch_size: int = 256,
) -> tuple[GroupDiagnosis, ...]:
    """Return every group's quantities, in evaluation mode and without augmentation; the model is left as it was.

    Args:
        model: the network, on the split's device.
        split: whose groups.
        image_format: how its images become inputs.
        group_names: in the order of the groups.
        hessian_examples: at most so many of a group, drawn with seed 0, make its Hessian; 0: no eigenvalues.
        tolerance: of the eigenvalues, see :func:`~prunegap.diagnostics.eigenvalue.largest_eigenvalue`.
        batch_size: examples that go through the network at a time.

    Raises:
        UserError: a model too large for eigenvalues, with a layer that cannot be differentiated twice, or a loss that
            is not finite.
    """
    if hessian_examples:
        _require_room(model)

    def one(group: int) -> GroupDiagnosis:
        members = (split.groups == group).nonzero().squeeze(1)
        if not len(members):
            return GroupDiagnosis(0)
        slope = GroupLoss(model, _part(split, members), image_format, batch_size=batch_size).slope()
        eigenvalue, chosen = None, drawn(members, hessian_examples)
        if hessian_examples:
            loss = GroupLoss(model, _part(split, chosen), image_format, batch_size=batch_size)
            eigenvalue = largest_eigenvalue(
                loss.hessian_times, loss.size, dtype=loss.dtype, device=loss.device, tolerance=tolerance
            )
        return GroupDiagnosis(
            len(members),
            slope.accuracy,
            slope.loss,
            float(slope.gradient.norm()),
            slope.closeness,
            eigenvalue,
            len(chosen) if hessian_examples else 0,
        )

    with evaluation_mode(model):
        return tuple(one(group) for group in track(range(len(group_names)), len(group_names), "groups"))


def drawn(members: Tensor, most: int) -> Tensor:
    """Return all of some examples, or ``most`` of them, the same whenever it is asked; in their order."""
    if len(members) <= most:
        return members
    order = torch.randperm(len(members), generator=torch.Generator().manual_seed(0))
    return members[order[:most].sort().values.to(members.device)]


def _part(split: Split, members: Tensor) -> Split:
    return Split(split.images[members.to(split.images.device)], split.labels[members], split.groups[members])


def _require_room(model: nn.Module) -> None:
    values = list(model.parameters())
    size = sum(value.numel() for value in values)
    needed = ITERATIONS * size * values[0].element_size()
    if needed > BYTES:
        raise UserError(
            f"the largest Hessian eigenvalue of {size:,} parameters takes {needed / 1024**3:.1f} GiB of vectors, more "
            f"than {BYTES / 1024**3:g} GiB; leave it out with --no-hessian"
        )
