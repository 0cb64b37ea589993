"""Reweighting. Truth: the gradient of the plain mean of the groups' losses, by autograd; torch's weighted loss."""

import pytest
import torch
from core.small_runs import SmallRun, network
from torch.nn import functional

from prunegap.data.batches import Batch
from prunegap.pruning.masks import MaskedParameters
from prunegap.training.methods import find_method
from prunegap.training.run import train
from prunegap.training.step import train_step

GROUPS = torch.tensor([0, 0, 0, 0, 0, 1, 1, 3])
COUNTS = torch.tensor([50, 20, 0, 10])


def weights_of(counts: torch.Tensor) -> torch.Tensor:
    make = find_method("reweighted").group_weights
    assert make is not None
    return make(counts)


def gradient_after(batch: Batch, weights: torch.Tensor | None) -> list[torch.Tensor]:
    model = network(0).double().eval()
    before = [p.detach().clone() for p in model.parameters()]
    train_step(
        model, torch.optim.SGD(model.parameters(), 1.0), MaskedParameters(model, {}), None, batch, group_weights=weights
    )
    return [one - p.detach() for one, p in zip(before, model.parameters(), strict=True)]


def batch_of(groups: torch.Tensor, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(len(groups), 1, 6, 6, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.randint(3, (len(groups),), generator=generator), groups)


def mean_of_group_losses(batch: Batch) -> list[torch.Tensor]:
    model = network(0).double().eval()
    losses = functional.cross_entropy(model(batch.inputs), batch.labels, reduction="none")
    groups = batch.groups.unique()
    sum(losses[batch.groups == g].mean() / len(groups) for g in groups).backward()  # pyright: ignore
    return [p.grad for p in model.parameters() if p.grad is not None]


def test_on_a_batch_made_up_as_train_is_the_gradient_is_that_of_the_plain_mean_of_group_losses():
    batch = batch_of(GROUPS)
    torch.testing.assert_close(
        gradient_after(batch, weights_of(COUNTS)), mean_of_group_losses(batch), rtol=1e-6, atol=1e-9
    )
    plain = gradient_after(batch, None)
    assert not torch.allclose(plain[0], mean_of_group_losses(batch)[0], rtol=1e-2)


def test_over_an_epoch_the_mean_gradient_is_that_problem_s_though_batches_lack_groups():
    whole = batch_of(GROUPS)
    sums = [torch.zeros_like(p) for p in network(0).double().parameters()]
    for part in (slice(0, 4), slice(4, 8)):
        batch = Batch(whole.inputs[part], whole.labels[part], whole.groups[part])
        sums = [total + one / 2 for total, one in zip(sums, gradient_after(batch, weights_of(COUNTS)), strict=True)]
    torch.testing.assert_close(sums, mean_of_group_losses(whole), rtol=1e-6, atol=1e-9)


def test_a_group_s_examples_weigh_the_inverse_of_its_share_and_an_empty_group_counts_for_none():
    assert weights_of(COUNTS).tolist() == pytest.approx([80 / 150, 80 / 60, 0, 80 / 30])
    assert weights_of(torch.tensor([7, 7])).tolist() == [1, 1]


def test_the_loop_weighs_by_the_counts_of_the_training_set(monkeypatch):
    seen = list[torch.Tensor]()

    def noted(*args, group_weights, **options):
        seen.append(group_weights)
        return train_step(*args, group_weights=group_weights, **options)

    monkeypatch.setattr("prunegap.training.run.train_step", noted)
    run = SmallRun("reweighted")
    next(train(run.state(0), run.plan(), run.split, until=1))
    counts = torch.tensor([int((run.split.groups == g).sum()) for g in range(3)])
    assert len(set(counts.tolist())) > 1
    assert all(one.tolist() == pytest.approx((72 / (3 * counts)).tolist()) for one in seen)
