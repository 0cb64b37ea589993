"""Truth: every example carries its own number as label, group and pixel value, so that a batch can be recounted."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from prunegap.data.augment import Augmentation, ImageFormat
from prunegap.data.batches import epoch_seed, evaluation_batches, training_batches
from prunegap.data.grouped import Split

RAW = ImageFormat((0.0,), (1.0,), torch.float64)


def numbered(examples: int) -> Split:
    number = torch.arange(examples)
    images = number.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 6, 6).contiguous()
    return Split(images, number, number * 10)


def order(examples: int, size: int, seed: int, epoch: int, augmentation: Augmentation | None = None) -> list[list[int]]:
    batches = training_batches(
        numbered(examples), RAW, augmentation or Augmentation(), batch_size=size, seed=seed, epoch=epoch
    )
    return [batch.labels.tolist() for batch in batches]


def flat(batches: list[list[int]]) -> list[int]:
    return [label for batch in batches for label in batch]


@pytest.mark.parametrize(
    ("examples", "size", "sizes"), [(20, 8, [8, 8, 4]), (16, 8, [8, 8]), (5, 8, [5]), (3, 1, [1] * 3)]
)
def test_every_example_comes_once_an_epoch(examples, size, sizes):
    batches = order(examples, size, seed=3, epoch=0)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(flat(batches)) == list(range(examples))


def test_a_last_batch_of_one_example_is_left_out_and_another_one_each_epoch():
    missing: Counter[int] = Counter()
    for epoch in range(40):
        batches = order(9, 4, seed=0, epoch=epoch)
        assert [len(batch) for batch in batches] == [4, 4]
        missing.update(set(range(9)) - set(flat(batches)))
    assert sum(missing.values()) == 40
    assert len(missing) > 6


def test_seed_and_epoch_alone_decide_the_order():
    torch.manual_seed(1)
    first = flat(order(50, 8, seed=4, epoch=2))
    torch.manual_seed(2)
    assert flat(order(50, 8, seed=4, epoch=2)) == first
    assert flat(order(50, 16, seed=4, epoch=2)) == first
    assert flat(order(50, 8, seed=4, epoch=2, augmentation=Augmentation(flip=True, shift=2))) == first


def test_other_seeds_and_other_epochs_have_other_orders():
    orders = {tuple(flat(order(30, 8, seed, epoch))) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25
    assert len({epoch_seed(seed, epoch) for seed in range(60) for epoch in range(60)}) == 3600
    assert all(0 <= epoch_seed(seed, 7) < 2**63 for seed in range(50))


def test_drawing_batches_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    order(20, 4, seed=0, epoch=0, augmentation=Augmentation(flip=True, shift=1))
    assert torch.rand(1) == expected


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(flip=True, shift=3)])
def test_images_keep_their_own_label_and_group(augmentation):
    """A shift of 3 of 6 pixels leaves at least a quarter of an image: its maximum is its number."""
    seen: list[int] = []
    for batch in training_batches(numbered(40), RAW, augmentation, batch_size=7, seed=1, epoch=1):
        assert torch.equal((batch.inputs.amax(dim=(1, 2, 3)) * 255).round().long(), batch.labels)
        assert torch.equal(batch.groups, batch.labels * 10)
        seen += batch.labels.tolist()
    assert sorted(seen) == list(range(40))


def shown(epoch: int, size: int = 12) -> Tensor:
    images = torch.randint(256, (12, 2, 5, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = Split(images, torch.arange(12), torch.zeros(12, dtype=torch.int64))
    augmentation = Augmentation(flip=True, shift=2)
    batches = list(training_batches(split, RAW, augmentation, batch_size=size, seed=9, epoch=epoch))
    order = torch.cat([batch.labels for batch in batches]).argsort()
    return torch.cat([batch.inputs for batch in batches])[order]


def test_an_epochs_augmentation_is_the_same_when_it_is_drawn_again_and_another_in_the_next():
    assert torch.equal(shown(3), shown(3))
    assert (shown(3) != shown(4)).flatten(1).any(dim=1).sum() > 8


def test_an_examples_augmentation_does_not_depend_on_the_batch_it_comes_in():
    assert torch.equal(shown(3, size=4), shown(3, size=12))


def test_evaluation_shows_every_example_once_in_order_and_unchanged():
    batches = list(evaluation_batches(numbered(9), RAW, batch_size=4))
    assert [len(batch.labels) for batch in batches] == [4, 4, 1]
    assert torch.cat([batch.labels for batch in batches]).tolist() == list(range(9))
    assert torch.cat([batch.groups for batch in batches]).tolist() == list(range(0, 90, 10))
    assert torch.equal(torch.cat([batch.inputs for batch in batches]) * 255, numbered(9).images.double())
