"""Truth: a list of every step's multipliers and violations, thinned out in plain Python."""

import math

import pytest
import torch
from core.dual_setup import dual_state

from prunegap.constraints.dual import DualState
from prunegap.training.step_tracer import StepTracer

GROUPS, UNSEEN = 20, 5


def moving_dual() -> DualState:
    return dual_state("el", [1] * GROUPS)


def at(dual: DualState, step: int) -> DualState:
    """Put the dual state where step ``step`` of a made-up run has it; group UNSEEN is never observed."""
    dual.multipliers = torch.tensor([((7 * g) % GROUPS) * 0.1 * (-1) ** g + step * 1e-6 for g in range(GROUPS)])
    dual.violations = torch.tensor([math.nan if g == UNSEEN else g - step * 1e-3 for g in range(GROUPS)])
    return dual


@pytest.mark.parametrize(
    ("steps", "rows", "every"), [(1, 1, 1), (999, 999, 1), (1000, 1000, 1), (1001, 501, 2), (2500, 834, 3)]
)
def test_at_most_a_thousand_evenly_spaced_steps_are_kept(steps, rows, every):
    tracer, dual = StepTracer(steps), moving_dual()
    for _ in range(steps):
        tracer.record(dual)
    trace = tracer.trace(dual.names)
    assert trace is not None
    assert list(trace.steps) == list(range(0, steps, every))
    assert len(trace.multipliers) == len(trace.violations) == rows


def test_the_sixteen_largest_multipliers_are_named_and_the_maximum_of_all_is_last():
    tracer, dual = StepTracer(10), moving_dual()
    for step in range(10):
        tracer.record(at(dual, step))
    trace = tracer.trace(dual.names)
    assert trace is not None
    largest = [max(abs(at(dual, step).multipliers[g].item()) for step in range(10)) for g in range(GROUPS)]
    named = sorted(range(GROUPS), key=lambda g: (-largest[g], g))[:16]
    assert trace.names == [f"group {g}" for g in named] + ["maximum"]
    for step in range(10):
        multipliers, violations = at(dual, step).multipliers.tolist(), dual.violations.tolist()
        observed = [v for v in violations if not math.isnan(v)]
        assert trace.multipliers[step] == [multipliers[g] for g in named] + [max(multipliers)]
        assert trace.violations[step] == [None if g == UNSEEN else violations[g] for g in named] + [max(observed)]
    assert UNSEEN in named
    assert len(named) == 20 - 4


def test_where_nothing_is_observed_the_maximum_is_nothing():
    tracer, dual = StepTracer(1), dual_state("ceag", [1, 1])
    tracer.record(dual)
    trace = tracer.trace(dual.names)
    assert trace is not None
    assert trace.names == ["group 0", "group 1", "maximum"]
    assert trace.violations == [[None, None, None]]


def test_without_steps_there_is_no_trace():
    assert StepTracer(0).trace(["a"]) is None


def test_a_recorded_row_does_not_change_with_the_next_step():
    tracer, dual = StepTracer(2), dual_state("el", [1, 1])
    for loss in ([1.0, 3.0], [5.0, 2.0]):
        dual.step(torch.tensor(loss, dtype=torch.float64), torch.zeros(2).bool(), torch.tensor([0, 1]))
        tracer.record(dual)
    assert [row.tolist() for row in tracer.multipliers] == [[-0.5, 0.5], [0.25, -0.25]]
