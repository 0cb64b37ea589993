"""What pruning forgets of every group, over the seeds of a method: counts with limits, as lines and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from prunegap.report.plain_names import shortened
from prunegap.report.seed_mean import NO_ESTIMATE, plain_percent

if TYPE_CHECKING:
    from torch import Tensor

    from prunegap.gaps import Outcomes

ALL = "all"
NAME_WIDTH = 24
MOST_GROUPS = 25


@dataclass(frozen=True)
class ForgottenGroup:
    """A group, or all examples.

    Attributes:
        name: of the group.
        examples: how many it has.
        forgotten: of how many the sparse models agree on another class than the dense ones.
        low: lower limit of the share that is forgotten, for this group alone; None without examples.
        high: upper limit.
        right_before: forgotten ones that the dense models agree rightly on.
        right_after: forgotten ones that the sparse models agree rightly on.
        dense_models_differ: share of (example, pair of dense models) with different predictions; None for one model.
    """

    name: str
    examples: int
    forgotten: int
    low: float | None
    high: float | None
    right_before: int
    right_after: int
    dense_models_differ: float | None


@dataclass(frozen=True)
class Forgotten:
    """What a method at a sparsity forgets on a split.

    Attributes:
        shown_name: of the method.
        sparsity: share of prunable weights that is zero.
        split: of the data.
        dense_models: how many there are.
        sparse_models: how many there are.
        total: all examples.
        groups: those of which the largest share is forgotten first.
        places: positions in the split of the examples that are forgotten, by group.
    """

    shown_name: str
    sparsity: float
    split: str
    dense_models: int
    sparse_models: int
    total: ForgottenGroup
    groups: tuple[ForgottenGroup, ...]
    places: dict[str, list[int]]

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        few = min(self.dense_models, self.sparse_models) < 3
        return [
            f"{self.shown_name} at {plain_percent(self.sparsity)} % sparsity, {self.split}: {self.total.forgotten} of "
            f"{self.total.examples} examples are forgotten: {_models(self.sparse_models, 'sparse')} agree on another "
            f"class than {_models(self.dense_models, 'dense')}.",
            *(
                ["So few models agree by chance: what is forgotten is mostly what training anew would change."]
                if few
                else []
            ),
            "",
            *_table([*self.groups[:MOST_GROUPS], self.total]),
            *(
                [f"The {MOST_GROUPS} groups most forgotten of {len(self.groups)}; --json has all."]
                if len(self.groups) > MOST_GROUPS
                else []
            ),
        ]


def forgotten_groups(
    dense: Sequence[Outcomes],
    sparse: Sequence[Outcomes],
    members: Tensor,
    group_names: Sequence[str],
    *,
    shown_name: str = "",
    sparsity: float = 0.0,
    split: str = "",
    alpha: float = 0.05,
) -> Forgotten:
    """Count what pruning forgets, by group (:func:`prunegap.gaps.forgotten.forgotten`).

    Args:
        dense: what each dense model does with each example.
        sparse: what each sparse model does.
        members: number of the group of each example.
        group_names: in the order of these numbers.
        shown_name: of the method.
        sparsity: of the sparse models.
        split: of the data.
        alpha: probability that the limits of a group miss.
    """
    import torch

    from prunegap.gaps.forgotten import disagreement, forgotten

    before, after = (torch.stack([one.predicted for one in models]) for models in (dense, sparse))
    lost, differ = forgotten(before, after), disagreement(before)
    right = [lost & _rightly_agreed(there, models) for there, models in ((before, dense), (after, sparse))]

    def counted(name: str, chosen: Tensor) -> ForgottenGroup:
        examples, count = int(chosen.sum()), int((lost & chosen).sum())
        low, high = _limits(count, examples, alpha)
        apart = None if differ is None or not examples else float(differ[chosen].mean())
        was_right, is_right = (int((one & chosen).sum()) for one in right)
        return ForgottenGroup(name, examples, count, low, high, was_right, is_right, apart)

    groups = [counted(name, members == number) for number, name in enumerate(group_names)]
    return Forgotten(
        shown_name,
        sparsity,
        split,
        len(dense),
        len(sparse),
        counted(ALL, torch.ones_like(lost)),
        tuple(sorted(groups, key=lambda one: -one.forgotten / max(one.examples, 1))),
        {name: (lost & (members == number)).nonzero().flatten().tolist() for number, name in enumerate(group_names)},
    )


def _rightly_agreed(predicted: Tensor, models: Sequence[Outcomes]) -> Tensor:
    """Whether the class of an example is among those that most models predict."""
    import torch

    from prunegap.gaps.forgotten import modal

    correct = torch.stack([one.correct for one in models])
    chosen = modal(predicted, 1 + int(predicted.max()) if predicted.numel() else 0)
    return (chosen.gather(1, predicted.T).T & correct).any(dim=0)


def _limits(count: int, examples: int, alpha: float) -> tuple[float | None, float | None]:
    import numpy as np

    from prunegap.uncertainty.proportions import share_limits

    if not examples:
        return None, None
    limits = share_limits(np.array([count]), np.array([examples]), alpha)
    return float(limits.low[0]), float(limits.high[0])


def _models(count: int, kind: str) -> str:
    return f"{count} {kind} model{'s' if count > 1 else ''}"


def _table(groups: Sequence[ForgottenGroup]) -> list[str]:
    heads = ["group", "examples", "forgotten %", "right before", "right after", "dense models differ %"]
    rows = [
        [
            shortened(one.name, NAME_WIDTH),
            str(one.examples),
            NO_ESTIMATE if one.low is None or one.high is None
            else f"{100 * one.forgotten / one.examples:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]",
            str(one.right_before),
            str(one.right_after),
            NO_ESTIMATE if one.dense_models_differ is None else f"{100 * one.dense_models_differ:.1f}",
        ]
        for one in groups
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in [heads, *rows])
    ]
