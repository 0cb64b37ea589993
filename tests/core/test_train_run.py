"""Truth: recounting by hand what an epoch saw, on models that stand still; a plain loop over the epochs."""

import math
from dataclasses import replace

import pytest
import torch
from core.small_runs import EPOCHS, FORMAT, GROUPS, SmallRun, images, same_bits
from torch import nn

from prunegap.constraints.formulation import DenseReference
from prunegap.data.augment import Augmentation
from prunegap.data.batches import training_batches
from prunegap.data.grouped import Split
from prunegap.errors import UserError
from prunegap.models.cifar_resnet import CifarResNet
from prunegap.training.inference import outcomes_of
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan, train
from prunegap.training.state import TrainingState


def still_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def standing_still(**settings: object) -> tuple[TrainingState, TrainingPlan]:
    recipe = Recipe(epochs=3, batch_size=16, learning_rate=0.0)
    model = still_model()
    state = TrainingState(model, recipe.optimizer(model), {})
    return state, replace(TrainingPlan(recipe, FORMAT, group_names=("a", "b", "c")), **settings)  # pyright: ignore


def right_share(model: nn.Module, split: Split) -> float:
    with torch.no_grad():
        predicted = model.eval()(FORMAT.inputs(split.images)).argmax(1).tolist()
    return sum(p == y for p, y in zip(predicted, split.labels.tolist(), strict=True)) / len(split)


def test_an_entry_recounts_the_examples_of_its_epoch():
    split = images(70, seed=0)
    state, plan = standing_still()
    (entry,) = train(state, plan, split, until=1)
    outcomes = outcomes_of(state.model, split, FORMAT, batch_size=9)
    assert entry.epoch == 0
    assert entry.train_loss == pytest.approx(float(outcomes.loss.mean()), rel=1e-5)
    assert entry.train_accuracy == pytest.approx(right_share(still_model(), split))
    members = [outcomes.correct[split.groups == g].tolist() for g in range(GROUPS)]
    assert entry.group_accuracy == pytest.approx({n: sum(m) / len(m) for n, m in zip("abc", members, strict=True)})
    assert (entry.multipliers, entry.violations, entry.negative_weight_share) == ({}, {}, 0)
    assert entry.validation_accuracy is None
    assert entry.sparsity == 0


def test_a_group_that_does_not_come_has_no_accuracy_in_the_entry():
    state, plan = standing_still(group_names=("a", "b", "c", "nobody"))
    (entry,) = train(state, plan, images(40, seed=0), until=1)
    assert entry.group_accuracy["nobody"] is None


def test_the_share_of_negative_weights_is_counted_over_all_examples():
    split, run = images(70, seed=0), SmallRun("ceag_no_rb")
    state, plan = standing_still()
    state.dual, alike = run.dual(), run.dual()
    assert state.dual is not None
    assert alike is not None
    for dual in (state.dual, alike):
        dual.multipliers = torch.tensor([0.4, 0.8, 1.5])
    (entry,) = train(state, plan, split, until=1)
    negative = 0
    for batch in training_batches(split, FORMAT, Augmentation(), batch_size=16, seed=0, epoch=0):
        logits = still_model()(batch.inputs).detach()
        loss = nn.functional.cross_entropy(logits, batch.labels, reduction="none")
        negative += sum(w < 0 for w in alike.step(loss, logits.argmax(1) == batch.labels, batch.groups).tolist())
    assert 0 < negative < 70
    assert entry.negative_weight_share == pytest.approx(negative / 70)
    assert entry.multipliers == pytest.approx(dict(zip("abc", alike.multipliers.tolist(), strict=True)))


def test_unless_asked_for_no_epoch_is_kept():
    split = images(40, seed=1)
    state, plan = standing_still(validation=split, selection=split)
    list(train(state, plan, split, until=2))
    assert not state.best_weights


def test_of_equally_good_epochs_the_first_is_kept():
    split = images(40, seed=1)
    state, plan = standing_still(validation=split, selection=split, keep_best=True)
    entries = list(train(state, plan, images(64, seed=0), until=3))
    assert len({entry.validation_accuracy for entry in entries}) == 1
    assert (state.best_epoch, state.best_accuracy) == (0, pytest.approx(right_share(still_model(), split)))


@pytest.mark.parametrize("on_test", [False, True])
def test_the_weights_of_the_best_epoch_are_kept_as_they_were_then(on_test):
    """Each epoch's accuracy on the split of selection is taken here; validation may be another split."""
    run, other = SmallRun("nft_es"), images(25, seed=9)
    plan = replace(run.plan(), selection=other) if on_test else run.plan()
    assert plan.selection is not None
    state = run.state(seed=0)
    accuracies, weights = [], []
    for entry in train(state, plan, run.split, until=EPOCHS):
        assert plan.validation is not None
        assert entry.validation_accuracy == pytest.approx(right_share(state.model, plan.validation))
        accuracies.append(right_share(state.model, plan.selection))
        weights.append({name: value.clone() for name, value in state.model.state_dict().items()})
    assert len(set(accuracies)) > 1
    best = accuracies.index(max(accuracies))
    assert state.best_epoch == best
    assert state.best_accuracy == pytest.approx(max(accuracies))
    assert same_bits(state.best_weights, weights[best])


def test_entries_carry_the_step_size_and_the_sparsity_of_their_epoch():
    """Milestones int(.6 * 6), int(.8 * 6), int(.9 * 6) = 3, 4, 5; cubic to 70 % of 216 and 2592 weights at epoch 3."""
    run = SmallRun("nft")
    entries = list(train(run.state(seed=0), run.plan(), run.split, until=EPOCHS))
    assert [e.learning_rate for e in entries] == pytest.approx([0.05] * 3 + [0.005, 0.0005, 0.00005])
    pruned = [math.ceil(s * 216) + math.ceil(s * 2592) for s in (0, 0.7 * 19 / 27, 0.7 * 26 / 27, 0.7)]
    assert [e.sparsity for e in entries] == pytest.approx([n / 2808 for n in pruned] + [pruned[3] / 2808] * 2)


@pytest.mark.parametrize("method", ["nft", "ceag"])
def test_a_training_that_diverges_says_what_to_lower(method):
    run = SmallRun(method, learning_rate=1e12)
    with pytest.raises(UserError, match=r"training diverged: .* epoch 0 is (nan|inf); lower learning_rate") as caught:
        list(train(run.state(seed=0), run.plan(), run.split, until=EPOCHS))
    assert "dual_step_size" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_last_batch_of_one_example_does_not_stop_a_network_with_batch_norm():
    """Seventeen images in batches of 16: pooled to one pixel, a single example has no variance."""
    split = Split(torch.randint(256, (17, 3, 4, 4), dtype=torch.uint8), torch.arange(17) % 3, torch.zeros(17).long())
    model = CifarResNet((1, 1, 1), num_classes=3)
    recipe = Recipe(epochs=2, batch_size=16)
    state = TrainingState(model, recipe.optimizer(model), {})
    entries = list(train(state, TrainingPlan(recipe, FORMAT), split, until=2))
    assert all(math.isfinite(entry.train_loss) for entry in entries)


def test_evaluation_leaves_the_mode_and_the_statistics_of_the_model_alone():
    model = CifarResNet((1, 1, 1), num_classes=3, in_channels=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = outcomes_of(model, images(20, seed=0), FORMAT)
    assert model.training
    assert same_bits(dict(model.state_dict()), before)
    in_parts = outcomes_of(model.eval(), images(20, seed=0), FORMAT, batch_size=7)
    assert not model.training
    torch.testing.assert_close(whole.loss, in_parts.loss)
    assert torch.equal(whole.predicted, in_parts.predicted)
    assert not whole.loss.requires_grad


def test_an_entrys_excess_gaps_are_those_of_its_group_accuracies():
    """psi = (dense - sparse of the group) - (dense - sparse over all), the dense model weighted by group size."""
    split = images(70, seed=0)
    counts = split.group_counts(GROUPS)
    dense = [0.95, 0.9, 0.6]
    state, plan = standing_still(reference=DenseReference(torch.tensor(dense), torch.zeros(3), counts))
    (entry,) = train(state, plan, split, until=1)
    overall = sum(a * n for a, n in zip(dense, counts.tolist(), strict=True)) / 70 - entry.train_accuracy
    for name, accuracy in zip("abc", dense, strict=True):
        group_accuracy = entry.group_accuracy[name]
        assert group_accuracy is not None
        assert entry.excess_gap[name] == pytest.approx(accuracy - group_accuracy - overall, abs=1e-6)
