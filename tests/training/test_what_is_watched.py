"""What is told of a training while it runs. Truth: epochs made to order, and batches counted as they are drawn."""

import logging
from dataclasses import replace

import pytest
import torch
from stages import tiny_values as given
from torch import nn

from prunegap.data.augment import ImageFormat
from prunegap.data.batches import Batch
from prunegap.data.grouped import Split
from prunegap.errors import UserError
from prunegap.training.recipe import Recipe
from prunegap.training.records import EpochEntry
from prunegap.training.run import TrainingPlan, run_epoch
from prunegap.training.state import TrainingState
from prunegap.training.watch import tell

NO_SPLIT = Split(torch.zeros(0, 1, 1, 3, dtype=torch.uint8), torch.zeros(0).long(), torch.zeros(0).long())
CALM = EpochEntry(0, 0.1, 0.5, 1.0, 0.5, None, {"a": 0.0, "b": 0.0}, {}, 0.0, 0.0)


def told(caplog, entries) -> list[str]:
    """What is said after each of the epochs."""
    numbered = [replace(entry, epoch=number) for number, entry in enumerate(entries)]
    with caplog.at_level(logging.WARNING, logger="prunegap"):
        for end in range(1, len(numbered) + 1):
            tell(numbered[:end], "ceag")
    return [record.message for record in caplog.records]


def losses(*values: float, sparsity: float = 0.5) -> list[EpochEntry]:
    return [replace(CALM, train_loss=value, sparsity=sparsity) for value in values]


def multipliers(*values: float) -> list[EpochEntry]:
    return [replace(CALM, multipliers={"a": value, "b": value / 3, "c": -value}) for value in values]


def test_multipliers_that_sum_above_one_are_told_once_with_the_largest(caplog):
    (said,) = told(caplog, multipliers(0.3, 0.7, 0.9, 1.2, 0.1, 1.5))
    assert said.startswith("ceag, epoch 2: the multipliers sum to 1.2, above 1 (that of a is 0.9)")
    assert "controller_options: [bound=...]" in said


def test_a_loss_that_doubles_the_odds_against_the_true_class_is_told_once(caplog):
    (said,) = told(caplog, losses(1.0, 0.5, 1.15, 1.2, 1.9, 2.0))
    assert said.startswith("ceag, epoch 3: the mean training loss is 1.2 and was 0.5 in epoch 1: training diverges")


def test_a_loss_that_rises_because_more_is_pruned_is_no_fault(caplog):
    assert told(caplog, [*losses(0.1), *losses(1.5, 1.4, sparsity=0.9), *losses(3.0, sparsity=0.95)]) == []


def test_nothing_is_said_of_a_training_that_goes_well(caplog):
    assert told(caplog, [*losses(1.0, 0.9, 1.5), *multipliers(0.2, 0.75)]) == []


def test_a_stage_tells_it_while_it_trains(caplog):
    with caplog.at_level(logging.WARNING, logger="prunegap"):
        made = given.finetuned(given.sparse_model(), dual_step_size=2.0)
    (said,) = [one.message for one in caplog.records if "multipliers sum to" in one.message]
    first = next(entry for entry in made.history.epochs if sum(entry.multipliers.values()) > 1)
    assert said.startswith(f"ceag, epoch {first.epoch}: ")


def test_a_training_that_diverges_stops_in_its_epoch():
    drawn: list[int] = []

    def batches():
        for number in range(500):
            drawn.append(number)
            yield Batch(torch.randn(4, 3), torch.arange(4) % 2, torch.zeros(4, dtype=torch.int64))

    recipe = Recipe(epochs=1, batch_size=4, learning_rate=1e30)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    state, plan = TrainingState(model, recipe.optimizer(model), {}), TrainingPlan(recipe, ImageFormat((0.0,), (1.0,)))
    with pytest.raises(UserError, match=r"training diverged: the mean training loss of epoch 0 is (nan|inf)"):
        run_epoch(state, plan, NO_SPLIT, batches())
    assert len(drawn) == 100
