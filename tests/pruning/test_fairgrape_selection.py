"""Truth: the greedy rule as it is written down, one pick at a time over all weights, in exact fractions."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunegap.pruning.fairgrape import select

Rows = list[list[float]]


def share(part: Fraction, whole: Fraction) -> Fraction:
    return part / whole if whole else Fraction(0)


def one_at_a_time(importance: Rows, total: list[float], count: int) -> list[bool]:
    rows = [[Fraction(value) for value in row] for row in importance]
    target = [Fraction(value) for value in total]
    held = [Fraction(0)] * len(rows)
    kept = [False] * len(rows[0])
    for _ in range(count):
        deficits = [
            share(t, sum(target, Fraction())) - share(s, sum(held, Fraction()))
            for t, s in zip(target, held, strict=True)
        ]
        group = max(range(len(rows)), key=lambda g: (deficits[g], target[g], -g))
        weight = max((w for w in range(len(kept)) if not kept[w]), key=lambda w: (rows[group][w], w))
        kept[weight] = True
        held = [s + row[weight] for s, row in zip(held, rows, strict=True)]
    return kept


@st.composite
def layers(draw: st.DrawFn) -> tuple[Rows, list[float], int]:
    """Small integers: many ties between groups and between weights, and zeros."""
    groups, weights = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    value = st.integers(0, draw(st.sampled_from([1, 3, 50]))).map(float)
    rows = draw(st.lists(st.lists(value, min_size=weights, max_size=weights), min_size=groups, max_size=groups))
    total = draw(st.one_of(st.just([sum(row) for row in rows]), st.lists(value, min_size=groups, max_size=groups)))
    return rows, total, draw(st.integers(0, weights))


@settings(deadline=None, derandomize=True, max_examples=400)
@given(layers())
def test_the_selection_is_that_of_picking_one_weight_at_a_time(layer):
    rows, total, count = layer
    kept = select(torch.tensor(rows), torch.tensor(total, dtype=torch.float64), count)
    assert kept.tolist() == one_at_a_time(rows, total, count)


@pytest.mark.parametrize("groups", [2, 5, 9])
@pytest.mark.parametrize("count", [1, 40, 299])
def test_it_is_so_for_importances_over_many_orders_of_magnitude_too(groups, count):
    drawn = torch.Generator().manual_seed(groups)
    importance = (torch.randn(groups, 300, generator=drawn) * 4 - 20).exp()
    total = (torch.randn(groups, generator=drawn, dtype=torch.float64)).exp()
    assert select(importance, total, count).tolist() == one_at_a_time(importance.tolist(), total.tolist(), count)


def test_a_group_that_few_weights_matter_to_keeps_its_share_where_a_sum_would_drop_it():
    """Nine weights matter to the first group, one a tenth as much to the second: the sum alone would prune that one."""
    importance = torch.zeros(2, 10)
    importance[0, :9], importance[1, 9] = 1.0, 0.1
    kept = select(importance, importance.sum(1).double(), 5)
    assert kept[9]
    assert kept.sum() == 5
    assert not _largest(importance.sum(0), 5)[9]


def _largest(scores: Tensor, count: int) -> Tensor:
    return torch.zeros(len(scores), dtype=torch.bool).scatter(0, scores.topk(count).indices, value=True)


def test_a_layer_that_mattered_to_nobody_before_is_shared_out_evenly():
    rows, total = [[1.0, 0.0, 4.0], [2.0, 3.0, 0.0]], [0.0, 0.0]
    for count in range(4):
        kept = select(torch.tensor(rows), torch.tensor(total, dtype=torch.float64), count)
        assert kept.tolist() == one_at_a_time(rows, total, count)


def test_nothing_is_kept_of_nothing():
    assert select(torch.zeros(2, 0), torch.zeros(2, dtype=torch.float64), 0).tolist() == []
