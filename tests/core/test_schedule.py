"""Truth: tables worked out by hand from "Balancing Act", Eq. 19, and which epochs the paper prunes at."""

from fractions import Fraction

import pytest

from prunegap.pruning.schedule import PruningSchedule


def pruned_epochs(schedule: PruningSchedule) -> list[int]:
    return [epoch for epoch in range(40) if schedule.prunes_at(epoch)]


def test_the_papers_schedule_follows_its_cubic():
    """0.9 (1 - (1 - e/15)^3): at 1 .9 (1 - (14/15)^3), at 3 .9 * 61/125, at 5 .9 * 19/27, at 10 .9 * 26/27."""
    schedule = PruningSchedule(0.9, end=15)
    by_hand = {
        0: Fraction(0), 1: Fraction(9, 10) * Fraction(631, 3375), 3: Fraction(9, 10) * Fraction(61, 125),
        5: Fraction(9, 10) * Fraction(19, 27), 10: Fraction(9, 10) * Fraction(26, 27),
        14: Fraction(9, 10) * Fraction(3374, 3375), 15: Fraction(9, 10), 16: Fraction(9, 10), 59: Fraction(9, 10),
    }  # fmt: skip
    assert {epoch: schedule.sparsity(epoch) for epoch in by_hand} == pytest.approx(
        {epoch: float(value) for epoch, value in by_hand.items()}, abs=1e-12
    )
    assert pruned_epochs(schedule) == list(range(16))


def test_every_second_epoch_prunes_and_the_last_one_in_any_case():
    schedule = PruningSchedule(0.8, end=6, start=1, every=2)
    assert pruned_epochs(schedule) == [1, 3, 5, 6]
    assert schedule.sparsity(3) == pytest.approx(0.8 * (1 - 0.6**3))
    assert schedule.sparsity(6) == 0.8


def test_a_last_epoch_on_the_grid_prunes_once():
    assert pruned_epochs(PruningSchedule(0.8, end=7, start=1, every=3)) == [1, 4, 7]


def test_one_shot_pruning_at_the_first_epoch():
    schedule = PruningSchedule(0.9, end=0)
    assert pruned_epochs(schedule) == [0]
    assert [schedule.sparsity(epoch) for epoch in (0, 1, 9)] == [0.9] * 3


def test_one_shot_pruning_after_some_dense_epochs():
    schedule = PruningSchedule(0.9, end=4, start=4)
    assert pruned_epochs(schedule) == [4]
    assert [schedule.sparsity(epoch) for epoch in (0, 3, 4, 5)] == [0, 0, 0.9, 0.9]


def test_an_initial_sparsity_is_where_the_cubic_starts():
    """Half-way: .9 + (.5 - .9) / 8."""
    schedule = PruningSchedule(0.9, end=12, start=2, initial_sparsity=0.5)
    assert [schedule.sparsity(epoch) for epoch in (0, 2, 7, 12)] == pytest.approx([0.5, 0.5, 0.85, 0.9])


def test_the_sparsity_never_falls():
    schedule = PruningSchedule(0.95, end=11, start=3, every=2)
    values = [schedule.sparsity(epoch) for epoch in range(20)]
    assert values == sorted(values)
