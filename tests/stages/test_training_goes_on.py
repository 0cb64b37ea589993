"""Truth: one uninterrupted training by the core's loop, set up by hand, and every epoch's weights judged by hand."""

from typing import Any

import pytest
import torch
from stages import tiny_values as given
from stages.results import same
from stages.tiny_network import build

from prunegap.artifacts.model import build_stored
from prunegap.artifacts.trained_models import SparseModel
from prunegap.data.augment import Augmentation, ImageFormat
from prunegap.pruning.layers import find_layers
from prunegap.pruning.magnitude import prune_layerwise
from prunegap.pruning.schedule import PruningSchedule
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.stages.prune import PruneParams, prune
from prunegap.tracking.protocol import NullTracker
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan, train
from prunegap.training.state import TrainingState

RECIPE: dict[str, Any] = {
    "batch_size": 10,
    "learning_rate": 0.03,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 0.01,
    "milestones": (0.3, 0.7),
    "gamma": 0.5,
}


def test_prune_and_plain_finetuning_are_one_training():
    sparse = given.pruned(**RECIPE, gmp_epochs=3, finetune_epochs=3, sparsity=0.7, flip=True, shift=1, seed=4)
    made = given.finetuned(sparse.sparse_model, method="nft")

    data = given.dataset().data
    images = ImageFormat(data.channel_mean, data.channel_std)
    model = build_stored(given.dense_model().network)
    layers = find_layers(model, images.inputs(data.splits["train"].images[:2]))
    plan = TrainingPlan(
        Recipe(epochs=6, **RECIPE),
        images,
        Augmentation(flip=True, shift=1),
        seed=4,
        schedule=PruningSchedule(0.7, end=3),
        prune=prune_layerwise,
        norms=layers.norms,
        group_names=tuple(data.group_names),
    )
    state = TrainingState(model, plan.recipe.optimizer(model), layers.first_masks(0.7))
    entries = list(train(state, plan, data.splits["train"], until=6))

    assert same(dict(made.finetuned_model.network.masks), state.masks)
    assert same(dict(made.finetuned_model.network.state), model.state_dict())
    stages = (*sparse.history.epochs, *made.history.epochs)
    assert [(e.epoch, e.learning_rate, e.sparsity, e.train_loss) for e in stages] == [
        (e.epoch, e.learning_rate, e.sparsity, e.train_loss) for e in entries
    ]


def test_a_long_finetuning_traces_evenly_spaced_steps_to_its_end(monkeypatch):
    monkeypatch.setattr("prunegap.training.step_tracer.MAX_STEP_ROWS", 3)
    trace = given.finetuned(given.sparse_model()).history.trace
    assert trace is not None
    assert list(trace.steps) == [0, 4, 8], "two epochs of five batches, the last of six examples"


def accuracy(weights: Any, split: str) -> float:
    """Share of right answers, counted without the core."""
    network = build(3, 3, 8)
    network.load_state_dict(weights)
    data = given.dataset().data
    pixels = data.splits[split].images.float() / 255
    inputs = torch.stack([(pixels[:, c] - data.channel_mean[c]) / data.channel_std[c] for c in range(3)], dim=1)
    with torch.no_grad():
        right = network.eval()(inputs).argmax(1) == data.splits[split].labels
    return int(right.sum()) / len(right)


@pytest.fixture(scope="module")
def long() -> SparseModel:
    """A pruned model whose fine-tuning is best at one epoch on validation, at another on test, and at neither last."""
    for seed in range(20):
        sparse = given.pruned(finetune_epochs=9, learning_rate=0.1, milestones=(), seed=seed).sparse_model
        witness = given.Witness()
        given.finetuned(sparse, witness, method="nft")
        if len({best(witness.saved, "validation"), best(witness.saved, "test"), max(witness.saved)}) == 3:
            return sparse
    raise AssertionError("the splits agree whatever the seed")


def best(saved: Any, split: str) -> int:
    """The first epoch with the best accuracy."""
    return max(saved, key=lambda epoch: accuracy(saved[epoch], split))


@pytest.mark.parametrize(("method", "split"), [("nft_es", "validation"), ("nft_es_on_test", "test")])
def test_early_stopping_keeps_the_weights_of_the_best_epoch_on_its_own_split(
    method: str, split: str, long: SparseModel
):
    witness = given.Witness()
    made = given.finetuned(long, witness, method=method)
    epoch = best(witness.saved, split)
    assert made.finetuned_model.trained_by.epoch == epoch - 1
    assert same(dict(made.finetuned_model.network.state), witness.saved[epoch])


def test_other_methods_keep_the_last_weights(long: SparseModel):
    witness = given.Witness()
    made = given.finetuned(long, witness, method="nft")
    assert made.finetuned_model.trained_by.epoch == 10
    assert same(dict(made.finetuned_model.network.state), witness.saved[11])


def dense_training(witness: given.Witness) -> Any:
    params = AcquireDenseParams.model_validate(given.DENSE)
    return acquire_dense(params, given.dataset(), checkpoint=witness, tracker=NullTracker()).history


def pruning(witness: given.Witness) -> Any:
    params = PruneParams.model_validate(given.PRUNE)
    values = given.dataset(), given.dense_model(), given.baseline()
    return prune(params, *values, checkpoint=witness, tracker=NullTracker()).history


def finetuning(witness: given.Witness) -> Any:
    return given.finetuned(given.sparse_model(), witness).history


@pytest.mark.parametrize("training", [dense_training, pruning, finetuning])
def test_every_epoch_notes_its_accuracy_on_the_validation_split(training: Any):
    witness = given.Witness()
    noted = [entry.validation_accuracy for entry in training(witness).epochs]
    assert noted == pytest.approx([accuracy(weights, "validation") for weights in witness.saved.values()])
    assert len(noted) >= 2


@pytest.mark.parametrize("training", [pruning, finetuning])
def test_every_epoch_notes_the_excess_gaps_against_the_dense_model(training: Any):
    dense = given.baseline().summary["train"]
    for entry in training(given.Witness()).epochs:
        overall = dense["accuracy"] - entry.train_accuracy
        by_hand = {name: dense["group_accuracy"][name] - entry.group_accuracy[name] - overall for name in given.GROUPS}
        assert entry.excess_gap == pytest.approx(by_hand, abs=1e-6)
