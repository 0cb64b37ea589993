"""Truth: sums that single precision loses, and what a network is shown."""

import pytest
import torch
from torch import nn

from prunegap.constraints.formulation import DenseReference
from prunegap.data.augment import ImageFormat
from prunegap.data.grouped import Split
from prunegap.training.epoch_totals import EpochTotals
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan, train
from prunegap.training.state import TrainingState

CPU = torch.device("cpu")


def test_an_epoch_s_sums_lose_no_small_loss_beside_a_large_one():
    totals = EpochTotals(1, CPU)
    for loss in (2.0**24, 1.0, 1.0):
        totals.add(torch.tensor([loss]), torch.tensor([True]), None, torch.tensor([0]))
    assert totals.mean_loss() == (2.0**24 + 2) / 3


def test_counts_beyond_single_precision_are_exact():
    totals = EpochTotals(2, CPU)
    totals.add(torch.zeros(1), torch.tensor([True]), torch.tensor([-1.0]), torch.tensor([0]))
    totals._sums += torch.tensor([0.0, 0.0, 2.0**24, 0.0])
    totals._group[1] += 2.0**24
    totals.add(torch.zeros(1), torch.tensor([True]), torch.tensor([0.0]), torch.tensor([0]))
    assert totals.accuracy() == 2 / (2.0**24 + 2)
    assert totals.negative_share() == 1 / (2.0**24 + 2), "a weight of 0 is not negative"
    assert totals.group_accuracy().tolist() == [2 / (2.0**24 + 2), 0.0]


def test_the_excess_gap_is_the_group_s_gap_above_the_overall_one():
    totals = EpochTotals(3, CPU)
    totals.add(torch.zeros(4), torch.tensor([True, False, True, True]), None, torch.tensor([0, 0, 1, 1]))
    counts = torch.tensor([6, 2, 0])
    dense = DenseReference(torch.tensor([0.9, 0.7, torch.nan]), torch.zeros(3), counts)
    overall = (6 * 0.9 + 2 * 0.7) / 8 - 3 / 4
    found = totals.excess_gap(dense).tolist()
    torch.testing.assert_close(found[:2], [0.9 - 0.5 - overall, 0.7 - 1.0 - overall], rtol=0, atol=1e-6)
    assert found[2] != found[2]


def test_validation_is_measured_in_batches_of_the_size_asked_for():
    seen: list[int] = []

    class Probe(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
            if not self.training:
                seen.append(len(input))
            return super().forward(input.flatten(1))

    split = Split(torch.zeros(10, 1, 2, 2, dtype=torch.uint8), torch.zeros(10).long(), torch.zeros(10).long())
    model, recipe = Probe(4, 2), Recipe(epochs=1)
    plan = TrainingPlan(recipe, ImageFormat((0.0,), (1.0,)), validation=split, evaluation_batch_size=4)
    (entry,) = train(TrainingState(model, recipe.optimizer(model), {}), plan, split, until=1)
    assert seen == [4, 4, 2]
    assert entry.validation_accuracy is not None


def test_a_progress_bar_is_told_the_number_of_steps_and_the_epochs_that_are_left(monkeypatch: pytest.MonkeyPatch):
    told: list[tuple[int, int, str, range]] = []

    def track(ticks: range, total: int, label: str, epochs: range) -> range:
        told.append((len(ticks), total, label, epochs))
        return ticks

    monkeypatch.setattr("prunegap.training.run.track", track)
    split = Split(torch.zeros(10, 1, 2, 2, dtype=torch.uint8), torch.zeros(10).long(), torch.zeros(10).long())
    model, recipe = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), Recipe(epochs=5, batch_size=4)
    state = TrainingState(model, recipe.optimizer(model), {}, epoch=3)
    plan = TrainingPlan(recipe, ImageFormat((0.0,), (1.0,)), label="work")
    assert len(list(train(state, plan, split, until=5))) == 2
    assert told == [(6, 6, "work", range(3, 5))]
