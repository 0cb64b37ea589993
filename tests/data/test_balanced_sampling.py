"""Balanced sampling. Truth: examples that carry their own number, counted again from the batches."""

from collections import Counter

import pytest
import torch

from prunegap.data.augment import Augmentation, ImageFormat
from prunegap.data.batches import Batch, training_batches
from prunegap.data.grouped import Split
from prunegap.training.methods import find_method

SIZES = {0: 61, 2: 30, 3: 8, 5: 1}
"""Examples a group: 100 in four groups, two numbers are no group's."""
SPLIT = Split(
    torch.arange(100, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous(),
    torch.arange(100),
    torch.tensor([group for group, size in SIZES.items() for _ in range(size)]),
)


def batches(epoch: int, split: Split = SPLIT, seed: int = 3, augmentation: Augmentation | None = None) -> list[Batch]:
    return list(
        training_batches(
            split,
            ImageFormat((0.0,), (1.0,), torch.float64),
            augmentation or Augmentation(),
            batch_size=16,
            seed=seed,
            epoch=epoch,
            sampler=find_method("balanced_sampling").sampler,
        )
    )


def drawn(epoch: int, **options) -> list[int]:
    return [number for batch in batches(epoch, **options) for number in batch.labels.tolist()]


@pytest.mark.parametrize("epoch", range(4))
def test_every_group_comes_equally_often_and_so_does_every_example_of_a_group(epoch):
    numbers = Counter(drawn(epoch))
    for group in SIZES:
        members = (SPLIT.groups == group).nonzero().flatten().tolist()
        each = [numbers[number] for number in members]
        assert sum(each) == 25
        assert max(each) - min(each) <= 1
    assert [len(batch.labels) for batch in batches(epoch)] == [16] * 6 + [4], "as many steps as plain training has"


def test_an_example_keeps_its_group_and_image():
    for batch in batches(0):
        assert batch.groups.tolist() == SPLIT.groups[batch.labels].tolist()
        assert (batch.inputs[:, 0, 0, 0] * 255).round().long().tolist() == batch.labels.tolist()


def test_where_the_draws_do_not_divide_the_odd_ones_go_to_other_groups_each_epoch():
    split = Split(SPLIT.images[:98], SPLIT.labels[:98], SPLIT.groups[:98])
    most = Counter[int]()
    for epoch in range(60):
        groups = Counter(int(SPLIT.groups[number]) for number in drawn(epoch, split=split))
        assert sorted(groups.values()) == [32, 33, 33]
        most.update(group for group, count in groups.items() if count == 33)
    assert all(25 < most[group] < 55 for group in (0, 2, 3)), most


def test_of_a_group_larger_than_its_part_other_examples_come_each_epoch():
    seen = set[int]()
    for epoch in range(20):
        seen |= {number for number in drawn(epoch) if number < 61}
    assert len(seen) == 61, "a share of 25 / 61 left out 20 times running: 0.6 ^ 20"


def test_a_group_is_spread_over_the_epoch():
    places = torch.tensor([place for place, number in enumerate(drawn(0)) if number == 99])
    assert len(places) == 25
    assert 35 < places.double().mean() < 65
    assert places.double().std() > 15


def test_seed_and_epoch_alone_decide():
    torch.manual_seed(1)
    first = drawn(2)
    torch.manual_seed(2)
    assert drawn(2) == first
    assert len({tuple(drawn(epoch, seed=seed)) for seed in range(3) for epoch in range(3)}) == 9


def test_an_example_that_is_drawn_again_is_augmented_anew():
    images = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4).expand(100, -1, -1, -1).contiguous()
    split = Split(images, SPLIT.labels, SPLIT.groups)
    shown = [
        tuple(image.flatten().tolist())
        for batch in batches(0, split=split, augmentation=Augmentation(flip=True))
        for image, number in zip(batch.inputs, batch.labels.tolist(), strict=True)
        if number == 99
    ]
    assert len(shown) == 25
    assert len(set(shown)) == 2, "flipped and not"
