"""Every group is drawn alike: as many examples an epoch of each, however large it is.

Of the n draws of an epoch every one of the G groups gets floor(n / G) or one more (which ones is drawn), and of a
group's examples each is drawn equally often, give or take one. Only the order is left to chance, so that an epoch
differs from n independent draws in having no luck in its counts. A step sees as many examples as in plain training.
"""

import torch
from torch import Tensor

from prunegap.shapes import ExampleInts
from prunegap.training.methods import Method


def draw_groups_alike(groups: ExampleInts, generator: torch.Generator) -> ExampleInts:
    """Return as many examples as there are, by number, every group alike."""
    counts = torch.bincount(groups)
    members = groups.argsort(stable=True).split(counts[counts > 0].tolist())
    quota = torch.full((len(members),), len(groups) // len(members))
    quota[torch.randperm(len(members), generator=generator)[: len(groups) % len(members)]] += 1
    drawn = [_draw(those, share, generator) for those, share in zip(members, quota.tolist(), strict=True)]
    return torch.cat(drawn)[torch.randperm(len(groups), generator=generator)]


def _draw(members: Tensor, share: int, generator: torch.Generator) -> Tensor:
    rounds, rest = divmod(share, len(members))
    return torch.cat([members.repeat(rounds), members[torch.randperm(len(members), generator=generator)[:rest]]])


BALANCED_SAMPLING = Method(
    "balanced_sampling",
    summary="Fine-tuning on batches drawn with every group alike, however large it is.",
    sampler=draw_groups_alike,
)
