"""Truth: the split itself, torch's own loss, and copies of everything a rule must leave alone."""

from typing import Any

import pytest
import torch
from core.small_runs import FORMAT, images, layers_of, network, same_bits
from torch import Tensor, nn
from torch.nn import functional

from prunegap.pruning.schedule import PruningSchedule
from prunegap.pruning.seen import Seen
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan, train
from prunegap.training.state import TrainingState

SPLIT = images(70, seed=0)


def seen(model: nn.Module | None = None, *, seed: int = 3, autocast: torch.dtype | None = None) -> Seen:
    model = model or network(0)
    layers = layers_of(model)
    return Seen(
        layers.prunable, layers.first_masks(), model, SPLIT, FORMAT,
        batch_size=16, group_names=("a", "b", "c"), seed=seed, autocast=autocast,
    )  # fmt: skip


def rows(inputs: Tensor, labels: Tensor, groups: Tensor) -> list[tuple]:
    return sorted(zip(inputs.flatten(1).tolist(), labels.tolist(), groups.tolist(), strict=True))


@pytest.mark.parametrize("group", [None, 0, 1, 2])
def test_batches_hold_every_example_once_and_differ_in_size_by_at_most_one(group):
    members = SPLIT.groups == group if group is not None else torch.ones(70, dtype=torch.bool)
    batches = list(seen().batches(group))
    sizes = [len(batch.labels) for batch in batches]
    assert len(sizes) == -(-int(members.sum()) // 16)
    assert max(sizes) <= 16
    assert max(sizes) - min(sizes) <= 1
    found = [torch.cat(part) for part in zip(*((b.inputs, b.labels, b.groups) for b in batches), strict=True)]
    expected = FORMAT.inputs(SPLIT.images[members]), SPLIT.labels[members], SPLIT.groups[members]
    assert rows(*found) == rows(*expected)


def test_a_group_without_examples_has_no_batches():
    assert list(seen().batches(7)) == []


def test_the_order_is_drawn_from_the_seed_alone():
    def first(seed: int) -> list[int]:
        return next(seen(seed=seed).batches()).labels.tolist()

    torch.manual_seed(1)
    once = first(3)
    torch.manual_seed(2)
    assert first(3) == once
    assert first(4) != once
    assert once != SPLIT.labels[: len(once)].tolist()


def test_losses_are_the_cross_entropies_in_the_precision_of_training():
    model = network(0).eval()
    batch = next(seen(model).batches())
    expected = functional.cross_entropy(model(batch.inputs), batch.labels, reduction="none")
    assert torch.equal(seen(model).losses(batch), expected)
    half = seen(model, autocast=torch.bfloat16).losses(batch)
    assert half.dtype == torch.float32
    assert not torch.equal(half, expected)
    torch.testing.assert_close(half, expected, atol=0.1, rtol=0)


class Restless(nn.Module):
    """Changes a buffer and draws from the global generator in whatever mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("runs", torch.zeros(()))
        self.runs: Tensor
        self.body = network(0)

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return functional.dropout(self.body(x), 0.1, training=True)


def everything(model: nn.Module) -> dict[str, Any]:
    return {
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "modes": [module.training for module in model.modules()],
        "takes": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [p.grad.clone() if p.grad is not None else None for p in model.parameters()],
        "generator": torch.get_rng_state(),
    }


def test_measuring_leaves_everything_as_it_was():
    model = Restless()
    model.get_submodule("body.4").eval()
    model.get_submodule("body.3").requires_grad_(False)
    functional.cross_entropy(model(FORMAT.inputs(SPLIT.images)), SPLIT.labels).backward()
    shown = seen(model)
    before = everything(model)
    with torch.no_grad(), shown.measuring():
        assert not any(module.training for module in model.modules())
        weights = list(shown.weights.values())
        gradients = torch.autograd.grad(shown.losses(next(shown.batches())).mean(), weights)
        assert all(gradient.any() for gradient in gradients)
        assert not torch.equal(torch.get_rng_state(), before["generator"])
    assert same_bits(everything(model), before)


def test_a_rule_is_shown_the_training_it_prunes_and_remembers_through_a_checkpoint():
    shown: list[Seen] = []

    def rule(seen: Seen, sparsity: float) -> dict[str, Tensor]:
        shown.append(seen)
        seen.memory["prunings"] = seen.memory.get("prunings", torch.tensor(0)) + 1
        return dict(seen.masks)

    model = network(0)
    recipe = Recipe(epochs=3, batch_size=16)
    schedule = PruningSchedule(0.5, end=2)
    plan = TrainingPlan(recipe, FORMAT, seed=9, schedule=schedule, prune=rule, group_names=("a", "b", "c"))

    def state() -> TrainingState:
        return TrainingState(model, recipe.optimizer(model), layers_of(model).first_masks())

    before = state()
    list(train(before, plan, SPLIT, until=1))
    again = state()
    again.load_state_dict(before.state_dict())
    list(train(again, plan, SPLIT, until=3))
    assert again.rule_memory == {"prunings": torch.tensor(3)}
    first = shown[0]
    assert (first.model, first.split, first.image_format) == (model, SPLIT, FORMAT)
    assert (first.batch_size, first.group_names, first.seed) == (16, ("a", "b", "c"), 9)
    assert first.weights.keys() == first.masks.keys() == layers_of(model).prunable.keys()
