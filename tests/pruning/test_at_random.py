"""Random pruning. Truth: counting, the weights' magnitudes, and chance."""

from dataclasses import replace

import torch
from torch import nn

from prunegap.data.augment import ImageFormat
from prunegap.data.grouped import Split
from prunegap.pruning.at_random import prune_at_random
from prunegap.pruning.rules import pruning_rule
from prunegap.pruning.seen import Seen

NOBODY = Split(torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(0).long(), torch.zeros(0).long())
WEIGHTS = {"a": torch.arange(1.0, 1001).view(10, 100), "b": torch.full((7,), 3.0)}
FULL = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in WEIGHTS.items()}


def seen(seed: int = 0) -> Seen:
    return Seen(WEIGHTS, FULL, nn.Identity(), NOBODY, ImageFormat((0.0,), (1.0,)), 1, (), seed=seed)


def test_as_many_weights_of_every_layer_go_as_asked_for():
    masks = pruning_rule("random")(seen(), 0.6)
    assert {name: int((~mask).sum()) for name, mask in masks.items()} == {"a": 600, "b": 5}


def test_which_go_has_nothing_to_do_with_their_size():
    """The mean of 400 of the numbers 1 to 1000 without replacement is 500.5 with a standard deviation of 11.2."""
    for seed in range(5):
        kept = WEIGHTS["a"][prune_at_random(seen(seed), 0.6)["a"]]
        assert abs(float(kept.mean()) - 500.5) < 4 * 11.2


def test_the_seed_decides_and_the_way_there_does_not():
    once = prune_at_random(seen(), 0.9)
    masks = FULL
    for sparsity in (0.3, 0.5, 0.9):
        masks = prune_at_random(replace(seen(), masks=masks), sparsity)
    assert all(torch.equal(once[name], masks[name]) for name in once)
    assert not torch.equal(once["a"], prune_at_random(seen(1), 0.9)["a"])


def test_what_is_gone_stays_gone():
    gone = FULL | {"a": torch.arange(1000).view(10, 100) >= 300}
    masks = prune_at_random(replace(seen(), masks=gone), 0.5)
    assert not (masks["a"] & ~gone["a"]).any()
    assert int((~masks["a"]).sum()) == 500
