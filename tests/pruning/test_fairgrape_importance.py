"""Truth: a loop over single examples with torch's backward, in double precision, averaged and squared in Python."""

import logging
import math
import re
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from core.small_runs import FORMAT, SmallRun, images, layers_of, network, same_bits
from torch import Tensor, nn
from torch.nn import functional

from prunegap.errors import UserError
from prunegap.pruning.fairgrape import fairgrape, group_importance, select
from prunegap.pruning.rules import pruning_rule
from prunegap.pruning.seen import Seen
from prunegap.training.run import train

DOUBLE = replace(FORMAT, dtype=torch.float64)
SPLIT = images(50, seed=0)
NAMES = ("a", "b", "c")


def seen(batch_size: int = 8, **changes: Any) -> Seen:
    model = network(0)
    layers = layers_of(model)
    model.double()
    return replace(Seen(layers.prunable, layers.first_masks(), model, SPLIT, DOUBLE, batch_size, NAMES), **changes)


def example_by_example(shown: Seen, group: int) -> dict[str, Tensor]:
    model = deepcopy(shown.model).eval()
    sums = {name: torch.zeros_like(weight) for name, weight in shown.weights.items()}
    for batch in shown.batches(group):
        mean = {name: torch.zeros_like(weight) for name, weight in shown.weights.items()}
        for i in range(len(batch.labels)):
            model.zero_grad()
            functional.cross_entropy(model(batch.inputs[i : i + 1]), batch.labels[i : i + 1]).backward()
            for name in mean:
                gradient = model.get_parameter(name).grad
                assert gradient is not None
                mean[name] += gradient / len(batch.labels)
        for name, gradient in mean.items():
            sums[name] += (shown.weights[name].detach().abs() * gradient.abs()) ** 2
    return sums


@pytest.mark.parametrize("batch_size", [1, 7, 50])
def test_importance_is_that_of_a_loop_over_single_examples(batch_size):
    shown = seen(batch_size)
    found = group_importance(shown)
    assert found.keys() == shown.weights.keys()
    for group in range(3):
        for name, expected in example_by_example(shown, group).items():
            torch.testing.assert_close(found[name][group].double(), expected.flatten(), rtol=1e-5, atol=1e-30)
            assert found[name][group].any()


def test_a_weight_that_takes_no_gradient_in_training_is_measured_like_any_other():
    shown = seen()
    expected = group_importance(shown)
    shown.model.requires_grad_(False)
    found = group_importance(shown)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not any(parameter.requires_grad for parameter in shown.model.parameters())


def test_the_model_is_left_as_it_was():
    shown = seen()
    functional.cross_entropy(shown.model(DOUBLE.inputs(SPLIT.images)), SPLIT.labels).backward()
    before = deepcopy((shown.model.state_dict(), [p.grad for p in shown.model.parameters()], torch.get_rng_state()))
    fairgrape(shown, 0.5)
    after = shown.model.state_dict(), [p.grad for p in shown.model.parameters()], torch.get_rng_state()
    assert same_bits(tuple(map(_plain, after)), tuple(map(_plain, before)))
    assert all(module.training for module in shown.model.modules())


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value


def test_every_layer_is_pruned_to_the_sparsity_by_the_selection():
    shown = seen()
    importance = group_importance(shown)
    masks = fairgrape(shown, 0.7)
    for name, mask in masks.items():
        kept = mask.numel() - math.ceil(0.7 * mask.numel())
        expected = select(importance[name], importance[name].double().sum(1), kept)
        assert torch.equal(mask, expected.view(mask.shape))
        assert int(mask.sum()) == kept


def test_shares_stay_those_of_the_first_pruning_and_nothing_comes_back():
    shown = seen()
    first = group_importance(shown)
    masks = fairgrape(shown, 0.3)
    with torch.no_grad():
        for name, weight in shown.weights.items():
            weight.mul_(masks[name]).add_(0.01 * masks[name])
    later = replace(shown, masks=masks)
    moved = group_importance(later)
    for name, mask in fairgrape(later, 0.6).items():
        alive = masks[name].flatten()
        kept = mask.numel() - math.ceil(0.6 * mask.numel())
        expected = torch.zeros_like(alive)
        expected[alive] = select(moved[name][:, alive], first[name].double().sum(1), kept)
        assert torch.equal(mask.flatten(), expected)
    assert all(torch.equal(mask, masks[name]) for name, mask in fairgrape(later, 0.1).items())


def test_the_log_says_what_each_group_cost(caplog):
    with caplog.at_level(logging.INFO, logger="prunegap"):
        fairgrape(seen(batch_size=8), 0.5)
    passes = [-(-int((SPLIT.groups == group).sum()) // 8) for group in range(3)]
    each = ", ".join(rf"{name} \d+\.\d\d s \({n}\)" for name, n in zip(NAMES, passes, strict=True))
    line = rf"fairgrape: importance in {sum(passes)} backward passes, \d+\.\d\d s; of each group: {each}"
    assert re.fullmatch(line, caplog.messages[0])


def test_groups_without_training_examples_are_refused_by_name():
    with pytest.raises(UserError) as caught:
        fairgrape(seen(group_names=("a", "nobody", "c", "none"), split=images_without(1)), 0.5)
    assert str(caught.value) == (
        "pruning rule 'fairgrape' measures every group on its training examples, and of 'nobody', 'none' there are "
        "none; leave it out (drop_groups of prepare_data), or prune with rule layerwise or global"
    )


def images_without(group: int) -> Any:
    split = images(50, seed=0)
    return replace(split, groups=torch.where(split.groups == group, 0, split.groups))


def test_gradients_that_are_not_finite_are_refused_by_group_and_layer():
    shown = seen()
    with torch.no_grad():
        shown.weights["3.weight"].fill_(1e300)
    with pytest.raises(
        UserError, match=r"'fairgrape': the gradients of group 'a' in '3\.weight' are not finite; lower"
    ):
        fairgrape(shown, 0.5)


def test_where_there_is_nothing_to_prune_there_is_nothing_to_measure():
    assert fairgrape(seen(weights={}, masks={}, group_names=("nobody",)), 0.0) == {}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_masks_are_those_of_the_cpu_and_lie_there():
    here = fairgrape(seen(), 0.5)
    shown = seen()
    model = shown.model.cuda()
    weights = {name: model.get_parameter(name) for name in shown.weights}
    masks = {name: mask.cuda() for name, mask in shown.masks.items()}
    there = replace(shown, weights=weights, masks=masks, split=SPLIT.to(torch.device("cuda")))
    before = torch.cuda.get_rng_state()
    found = pruning_rule("fairgrape")(there, 0.5)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert all(torch.equal(found[name].cpu(), here[name]) for name in here)


def test_a_training_killed_between_two_prunings_goes_on_to_the_same_bits():
    run = SmallRun("nft")
    plan = replace(run.plan(), prune=pruning_rule("fairgrape"))

    whole = run.state(seed=0)
    list(train(whole, plan, run.split, until=5))
    before, after = run.state(seed=0), run.state(seed=1)
    list(train(before, plan, run.split, until=2))
    after.load_state_dict(deepcopy(before.state_dict()))
    list(train(after, plan, run.split, until=5))
    assert same_bits(dict(after.model.state_dict()), dict(whole.model.state_dict()))
    assert same_bits(after.masks, whole.masks)
    assert same_bits(after.rule_memory, whole.rule_memory)
    assert isinstance(whole.model, nn.Module)
    assert set(whole.rule_memory) == {"3.weight", "8.weight"}
