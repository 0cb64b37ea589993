"""Truth: a loop over examples in plain Python, an example worked out by hand, and identities of Eq. 1-4."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunegap.gaps import (
    Measures,
    Outcomes,
    compare_outcomes,
    group_means,
    group_statistics,
    overall_statistics,
    spread,
)

GROUPS = 4
EXAMPLES = st.lists(
    st.tuples(
        st.integers(0, GROUPS - 1), st.booleans(), st.booleans(), st.floats(0, 9, width=32), st.floats(0, 9, width=32)
    ),
    min_size=1,
    max_size=40,
)


def outcomes(correct: list[bool], loss: list[float]) -> Outcomes:
    return Outcomes(torch.zeros(len(loss), dtype=torch.int64), torch.tensor(loss), torch.tensor(correct))


def report_of(examples: list[tuple[int, bool, bool, float, float]]) -> Measures:
    groups, dense, sparse, dense_loss, sparse_loss = (list(column) for column in zip(*examples, strict=True))
    return compare_outcomes(
        outcomes(dense, dense_loss), outcomes(sparse, sparse_loss), torch.tensor(groups), num_groups=GROUPS
    )


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def same(found: torch.Tensor, expected: list[float] | float) -> None:
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=0, equal_nan=True)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(EXAMPLES)
def test_every_quantity_equals_a_loop_over_the_examples(examples):
    report = report_of(examples)
    by_group = [[e for e in examples if e[0] == g] for g in range(GROUPS)]
    overall_gap = mean([e[1] - e[2] for e in examples])
    gap = [mean([e[1] - e[2] for e in members]) for members in by_group]
    excess_loss = [mean([e[4] - e[3] for e in members]) for members in by_group]
    accuracy = [mean([e[2] for e in members]) for members in by_group]
    seen = [g for g in range(GROUPS) if by_group[g]]
    same(report.overall["dense_accuracy"], mean([e[1] for e in examples]))
    same(report.overall["loss"], mean([e[4] for e in examples]))
    same(report.group["dense_accuracy"], [mean([e[1] for e in members]) for members in by_group])
    same(report.group["dense_loss"], [mean([e[3] for e in members]) for members in by_group])
    assert report.pair.before.group_count.tolist() == [len(members) for members in by_group]
    same(report.overall["overall_gap"], overall_gap)
    same(report.group["gap"], gap)
    same(report.group["excess_gap"], [g - overall_gap for g in gap])
    same(report.overall["max_psi"], max(gap[g] for g in seen) - overall_gap)
    same(report.overall["psi_pw"], max(gap[g] - gap[h] for g in seen for h in seen))
    same(report.overall["churn"], mean([e[1] != e[2] for e in examples]))
    same(report.group["churn"], [mean([e[1] != e[2] for e in members]) for members in by_group])
    same(report.group["excessive_loss"], excess_loss)
    same(report.overall["excessive_loss_spread"], max(excess_loss[g] - excess_loss[h] for g in seen for h in seen))
    same(report.overall["group_accuracy_spread"], max(accuracy[g] - accuracy[h] for g in seen for h in seen))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(EXAMPLES)
def test_excess_gaps_weighted_by_group_size_sum_to_zero(examples):
    report = report_of(examples)
    assert abs(float((report.pair.before.group_count * report.group["excess_gap"].nan_to_num()).sum())) < 1e-9
    assert float(report.overall["max_psi"]) > -1e-9
    assert float(report.overall["churn"]) >= abs(float(report.overall["overall_gap"])) - 1e-9


def test_an_example_worked_out_by_hand():
    """Group 0: dense 3/4, sparse 1/4, gap 1/2. Group 1: dense 1/2, sparse 1, gap -1/2. Group 2: dense 1, sparse 1.

    Overall: dense 5/7, sparse 4/7, gap 1/7, so psi = 5/14, -9/14, -1/7. Changed: two of four, one of two, none.
    """
    groups = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    dense = outcomes([True, True, True, False, True, False, True], [0.1, 0.2, 0.3, 1.4, 0.5, 2.5, 0.4])
    sparse = outcomes([True, False, False, False, True, True, True], [0.4, 0.8, 0.8, 2.0, 0.5, 0.5, 0.4])
    report = compare_outcomes(dense, sparse, groups, 3)
    same(report.overall["overall_gap"], 1 / 7)
    same(report.group["gap"], [1 / 2, -1 / 2, 0])
    same(report.group["excess_gap"], [5 / 14, -9 / 14, -1 / 7])
    same(report.overall["max_psi"], 5 / 14)
    same(report.overall["psi_pw"], 1)
    same(report.overall["churn"], 3 / 7)
    same(report.group["churn"], [1 / 2, 1 / 2, 0])
    same(report.overall["group_accuracy_spread"], 3 / 4)
    torch.testing.assert_close(report.group["excessive_loss"].float(), torch.tensor([0.5, -1.0, 0.0]))
    assert float(report.overall["excessive_loss_spread"]) == pytest.approx(1.5)


def test_a_group_without_examples_has_no_estimate_and_enters_no_maximum():
    dense, sparse = outcomes([True, True, False], [0.0] * 3), outcomes([False, True, False], [1.0] * 3)
    report = compare_outcomes(dense, sparse, torch.tensor([0, 2, 2]), 4)
    same(report.group["excess_gap"], [2 / 3, math.nan, -1 / 3, math.nan])
    same(report.overall["max_psi"], 2 / 3)
    same(report.overall["psi_pw"], 1)
    assert report.pair.after.group_count.tolist() == [1, 0, 2, 0]


def test_the_largest_difference_may_lie_between_negative_values():
    same(spread(torch.tensor([-0.3, math.nan, -0.1, -0.25], dtype=torch.float64)), 0.2)


def test_group_means_of_many_single_precision_losses_do_not_drift():
    values = torch.full((200_000,), 0.1)
    found = group_means(values, torch.arange(200_000) % 2, 2)
    assert (found - float(values[0])).abs().max() < 1e-12


def test_outcomes_keep_their_values_on_another_device():
    before = outcomes([True, False], [0.5, 1.5])
    moved = before.to(torch.device("cpu"))
    assert torch.equal(moved.predicted, before.predicted)
    assert torch.equal(moved.loss, before.loss)
    assert torch.equal(moved.correct, before.correct)


ALL = ("table", "plot", "tracking")
SHOWN = {
    "dense_accuracy": (), "accuracy": ("tracking",), "dense_loss": (), "loss": (), "gap": ("plot",),
    "excess_gap": ("table", "tracking"), "churn": ("tracking",), "lost_count": (),
    "gained_count": (), "excessive_loss": (),
}  # fmt: skip
SHOWN_OVERALL = {
    "dense_accuracy": (), "accuracy": ALL, "dense_loss": (), "loss": ("tracking",), "overall_gap": ("tracking",),
    "max_psi": ALL, "psi_pw": ALL, "max_psi_by_chance": ("tracking",), "psi_pw_by_chance": ("tracking",),
    "churn": ALL, "excessive_loss_spread": ("tracking",),
    "group_accuracy_spread": ("tracking",),
}  # fmt: skip
COUNTS = {"lost_count", "gained_count"}
NATS = {"dense_loss", "loss", "excessive_loss", "excessive_loss_spread"}
DIFFERENCES = {
    "gap", "excess_gap", "excessive_loss", "overall_gap", "max_psi", "psi_pw", "max_psi_by_chance",
    "psi_pw_by_chance", "group_accuracy_spread",
}  # fmt: skip
TITLES = {"gap": "accuracy gap", "excess_gap": "excess accuracy gap", "max_psi": "max psi", "psi_pw": "Psi_PW",
    "max_psi_by_chance": "max psi by chance", "psi_pw_by_chance": "Psi_PW by chance",
}  # fmt: skip


@pytest.mark.parametrize(("table", "shown"), [(group_statistics, SHOWN), (overall_statistics, SHOWN_OVERALL)])
def test_each_statistic_is_shown_where_a_reader_wants_it_in_its_unit(table, shown):
    entries = {one.name: one for one in table()}
    assert {name: tuple(one.places) for name, one in entries.items()} == shown
    assert {name for name, one in entries.items() if one.unit == "nats"} == NATS & shown.keys()
    assert {name for name, one in entries.items() if one.unit == "count"} == COUNTS & shown.keys()
    assert {name for name, one in entries.items() if one.difference} == DIFFERENCES & shown.keys()
    assert {name: one.title for name, one in entries.items() if one.title} == {
        name: title for name, title in TITLES.items() if name in shown
    }
    assert {name: one.line for name, one in entries.items() if one.line} == (
        {"gap": "overall_gap"} if "gap" in shown else {}
    )
