"""Truth: one ``collections.deque(maxlen=capacity)`` a group."""

from collections import deque

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunegap.constraints.replay_buffer import ReplayBuffers

GROUPS = 3
BATCHES = st.lists(st.lists(st.integers(0, GROUPS - 1), min_size=1, max_size=14), min_size=1, max_size=8)


def empty(capacity: int) -> ReplayBuffers:
    return ReplayBuffers(GROUPS, capacity, dtype=torch.float64, device=torch.device("cpu"))


def numbered(batches: list[list[int]]) -> list[tuple[list[int], list[float]]]:
    """Give every example its own value, so that a wrong order shows."""
    values = iter(range(1, 1000))
    return [(groups, [float(next(values)) for _ in groups]) for groups in batches]


def push(buffers: ReplayBuffers, groups: list[int], values: list[float]) -> None:
    buffers.push(torch.tensor(groups), torch.tensor(values, dtype=torch.float64))


def check(buffers: ReplayBuffers, queues: list[deque[float]]) -> None:
    assert [buffers.contents(g).tolist() for g in range(GROUPS)] == [list(queue) for queue in queues]
    for found, queue in zip(buffers.means().tolist(), queues, strict=True):
        if len(queue) == queue.maxlen:
            assert abs(found - sum(queue) / len(queue)) < 1e-9
        else:
            assert found != found  # noqa: PLR0124 - not a number: the buffer is not full


@settings(deadline=None, derandomize=True, max_examples=120)
@given(BATCHES, st.integers(1, 6))
def test_buffers_hold_what_a_deque_a_group_holds_after_every_batch(batches, capacity):
    buffers, queues = empty(capacity), [deque[float](maxlen=capacity) for _ in range(GROUPS)]
    for groups, values in numbered(batches):
        push(buffers, groups, values)
        for group, value in zip(groups, values, strict=True):
            queues[group].append(value)
        check(buffers, queues)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(BATCHES, BATCHES, st.integers(1, 5))
def test_buffers_taken_up_from_their_state_go_on_like_the_original(before, after, capacity):
    original, resumed = empty(capacity), empty(capacity)
    for groups, values in numbered(before):
        push(original, groups, values)
    resumed.load_state_dict({name: value.clone() for name, value in original.state_dict().items()})
    for groups, values in numbered(after):
        push(original, groups, values)
        push(resumed, groups, values)
        assert torch.equal(original.values[:, :capacity], resumed.values[:, :capacity])
        assert [original.contents(g).tolist() for g in range(GROUPS)] == [
            resumed.contents(g).tolist() for g in range(GROUPS)
        ]


def test_a_batch_with_more_examples_of_a_group_than_fit_leaves_its_last_ones_in_order():
    buffers = empty(3)
    push(buffers, [1, 1, 0, 1, 1, 1, 0, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert buffers.contents(1).tolist() == [6, 8, 9]
    assert buffers.contents(0).tolist() == [3, 7]
    assert buffers.contents(2).tolist() == []


def test_the_slot_for_pushed_out_values_never_enters_a_mean():
    buffers = empty(2)
    push(buffers, [0] * 5, [1e9, 1e9, 1e9, 2, 4])
    assert buffers.means()[0] == 3


def test_every_value_pushed_out_at_once_goes_to_the_extra_slot_and_to_no_other():
    """Two writes to one slot in one call end in any order on a GPU: here the last pushed-out value, 3, shows."""
    buffers = empty(2)
    push(buffers, [0] * 5, [1, 2, 3, 4, 5])
    assert buffers.values[0, 2] == 3


def test_a_state_taken_up_does_not_share_memory_with_the_buffers():
    original, resumed = empty(2), empty(2)
    push(original, [0, 0], [1, 2])
    resumed.load_state_dict(original.state_dict())
    push(resumed, [0], [9])
    assert original.contents(0).tolist() == [1, 2]
