"""Truth: sorting all weights in plain Python by (still there, magnitude, position) and counting with ``ceil``."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunegap.pruning.magnitude import prune_globally, prune_layerwise
from prunegap.pruning.masks import layer_sparsities, sparsity_of
from prunegap.pruning.seen import MaskedWeights

SHAPES = {"a.weight": (4, 3, 2, 2), "b.weight": (7, 5), "c.weight": (3, 1, 3, 3)}
SPARSITIES = [0.0, 0.07, 0.3, 0.5, 0.861, 0.9, 0.925, 1.0]


def drawn(seed: int, *, ties: bool) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    return {name: (weight * 2).round() for name, weight in weights.items()} if ties else weights


def dense() -> dict[str, Tensor]:
    return {name: torch.ones(shape, dtype=torch.bool) for name, shape in SHAPES.items()}


def by_sorting(names: list[str], weights: dict[str, Tensor], masks: dict[str, Tensor], sparsity: float) -> list[bool]:
    """Return what is kept of the layers ``names`` together, flat and in order."""
    values = [abs(v) for name in names for v in weights[name].flatten().tolist()]
    kept = [bool(v) for name in names for v in masks[name].flatten().tolist()]
    order = sorted(range(len(values)), key=lambda i: (kept[i], values[i], i))
    for i in order[: math.ceil(sparsity * len(values))]:
        kept[i] = False
    return kept


def flat(masks: dict[str, Tensor]) -> list[bool]:
    return torch.cat([mask.flatten() for mask in masks.values()]).tolist()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 999), st.booleans(), st.lists(st.sampled_from(SPARSITIES), min_size=1, max_size=5))
def test_layerwise_pruning_takes_the_smallest_of_every_layer_and_never_regrows(seed, ties, sparsities):
    masks = dense()
    for step, sparsity in enumerate(sorted(sparsities)):
        weights = drawn(seed + step, ties=ties)
        pruned = prune_layerwise(MaskedWeights(weights, masks), sparsity)
        for name in SHAPES:
            assert pruned[name].flatten().tolist() == by_sorting([name], weights, masks, sparsity)
            assert int((~pruned[name]).sum()) == math.ceil(sparsity * pruned[name].numel())
            assert not (pruned[name] & ~masks[name]).any()
        masks = pruned


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 999), st.booleans(), st.lists(st.sampled_from(SPARSITIES), min_size=1, max_size=5))
def test_global_pruning_takes_the_smallest_of_all_layers_and_never_regrows(seed, ties, sparsities):
    masks, total = dense(), sum(math.prod(shape) for shape in SHAPES.values())
    for step, sparsity in enumerate(sorted(sparsities)):
        weights = drawn(seed + step, ties=ties)
        pruned = prune_globally(MaskedWeights(weights, masks), sparsity)
        assert flat(pruned) == by_sorting(list(SHAPES), weights, masks, sparsity)
        assert flat(pruned).count(False) == math.ceil(sparsity * total)
        assert {name: mask.shape for name, mask in pruned.items()} == {n: torch.Size(s) for n, s in SHAPES.items()}
        masks = pruned


@pytest.mark.parametrize("prune", [prune_layerwise, prune_globally])
def test_a_lower_sparsity_than_before_brings_nothing_back(prune: Callable[..., dict[str, Tensor]]):
    weights = drawn(0, ties=False)
    half = prune(MaskedWeights(weights, dense()), 0.5)
    again = prune(MaskedWeights(weights, half), 0.1)
    assert flat(again) == flat(half)


def test_of_equal_weights_the_earlier_go_first():
    weights = {"a.weight": torch.tensor([[1.0, -1.0, 1.0, -1.0]]), "b.weight": torch.tensor([[1.0, 1.0]])}
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    assert prune_layerwise(MaskedWeights(weights, masks), 0.5)["a.weight"].tolist() == [[False, False, True, True]]
    everywhere = prune_globally(MaskedWeights(weights, masks), 0.75)
    assert everywhere["a.weight"].tolist() == [[False] * 4]
    assert everywhere["b.weight"].tolist() == [[False, True]]


def test_a_kept_weight_of_zero_outlives_none_that_is_pruned_already():
    weights = {"a.weight": torch.tensor([[0.0, 5.0, 0.0, 3.0]])}
    masks = {"a.weight": torch.tensor([[True, False, True, True]])}
    assert prune_layerwise(MaskedWeights(weights, masks), 0.5)["a.weight"].tolist() == [[False, False, True, True]]


def test_the_share_of_zeros_leaves_out_the_batch_norms():
    masks = {
        "a.weight": torch.tensor([[True, False], [False, False]]),
        "b.weight": torch.ones(4, 3, 2, 2, dtype=torch.bool),
        "norm.weight": torch.zeros(2, dtype=torch.bool),
    }
    assert sparsity_of(masks) == pytest.approx(3 / 52)
    assert layer_sparsities(masks) == {"a": 0.75, "b": 0.0}
    assert sparsity_of({}) == 0
