"""Truth: loops over pixels in plain Python, normalisation in numpy, and counts of what was drawn."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from prunegap.data.augment import Augmentation, AugmentationDraw, ImageFormat, draw, shift_images

CPU = torch.device("cpu")


def images(examples: int, channels: int = 2, height: int = 5, width: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (examples, channels, height, width), generator=generator, dtype=torch.uint8)


def by_loop(image: np.ndarray, flip: bool, down: int, right: int) -> np.ndarray:
    channels, height, width = image.shape
    changed = np.zeros_like(image)
    for c in range(channels):
        for row in range(height):
            for column in range(width):
                from_row, from_column = row - down, column - right
                if 0 <= from_row < height and 0 <= from_column < width:
                    changed[c, row, column] = image[c, from_row, width - 1 - from_column if flip else from_column]
    return changed


def test_flips_and_shifts_equal_a_loop_over_the_pixels():
    """25 examples: every (down, right) of -2..2, flipped or not; applied to a batch that picks 20 of them."""
    originals = images(25)
    steps = torch.arange(-2, 3)
    shifts, flips = torch.cartesian_prod(steps, steps), torch.arange(25) % 2 == 0
    index = torch.randperm(25, generator=torch.Generator().manual_seed(1))[:20]
    changed = AugmentationDraw(flips, shifts, reach=2).apply(originals[index], index)
    for found, i in zip(changed, index.tolist(), strict=True):
        down, right = shifts[i].tolist()
        expected = by_loop(originals[i].numpy(), bool(flips[i]), down, right)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_flips_alone_and_shifts_alone():
    originals, index = images(2), torch.arange(2)
    flipped = AugmentationDraw(torch.tensor([True, False]), None, 0).apply(originals, index)
    np.testing.assert_array_equal(flipped[0].numpy(), originals[0].numpy()[:, :, ::-1])
    assert torch.equal(flipped[1], originals[1])
    shifted = AugmentationDraw(None, torch.tensor([[1, 0], [0, -3]]), 3).apply(originals, index)
    np.testing.assert_array_equal(shifted[0].numpy(), by_loop(originals[0].numpy(), False, 1, 0))
    np.testing.assert_array_equal(shifted[1].numpy(), by_loop(originals[1].numpy(), False, 0, -3))
    assert AugmentationDraw(None, None, 0).apply(originals, index) is originals


def test_a_shift_by_the_whole_image_leaves_black():
    assert shift_images(images(1), torch.tensor([[5, 0]]), 5).sum() == 0


def test_half_of_the_images_are_flipped():
    """20,000 coin flips: four standard deviations are 283."""
    drawn = draw(Augmentation(flip=True), 20_000, torch.Generator().manual_seed(0), CPU)
    assert drawn.flips is not None
    assert drawn.shifts is None
    assert abs(int(drawn.flips.sum()) - 10_000) < 283


def test_shifts_cover_their_range_evenly_in_both_directions():
    drawn = draw(Augmentation(shift=3), 20_000, torch.Generator().manual_seed(0), CPU)
    assert drawn.shifts is not None
    assert drawn.flips is None
    pairs = (drawn.shifts[:, 0] + 3) * 7 + drawn.shifts[:, 1] + 3
    assert (int(drawn.shifts.min()), int(drawn.shifts.max())) == (-3, 3)
    assert stats.chisquare(torch.bincount(pairs, minlength=49).numpy()).pvalue > 0.001


def test_flips_do_not_follow_the_shifts():
    drawn = draw(Augmentation(flip=True, shift=1), 20_000, torch.Generator().manual_seed(0), CPU)
    assert drawn.flips is not None
    assert drawn.shifts is not None
    table = [[int((drawn.flips & (drawn.shifts[:, a] == s)).sum()) for s in (-1, 0, 1)] for a in (0, 1)]
    assert all(abs(count - 20_000 / 6) < 250 for row in table for count in row)


def test_the_same_generator_draws_the_same():
    augmentation = Augmentation(flip=True, shift=2)
    first, second, other = (
        draw(augmentation, 50, torch.Generator().manual_seed(seed), CPU) for seed in (1, 1, 2)
    )  # fmt: skip
    assert first.flips is not None
    assert first.shifts is not None
    assert torch.equal(first.flips, second.flips)  # pyright: ignore[reportArgumentType]
    assert torch.equal(first.shifts, second.shifts)  # pyright: ignore[reportArgumentType]
    assert not torch.equal(first.shifts, other.shifts)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_inputs_are_normalised_channel_by_channel(dtype, channels_last):
    mean, std = [0.507, 0.4865], [0.2673, 0.2564]
    inputs = ImageFormat(mean, std, dtype, channels_last).inputs(images(3))
    expected = (images(3).numpy() / 255 - np.reshape(mean, (1, 2, 1, 1))) / np.reshape(std, (1, 2, 1, 1))
    assert inputs.dtype == dtype
    assert inputs.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    precision = 0.05 if dtype is torch.bfloat16 else 1e-5
    np.testing.assert_allclose(inputs.double().numpy(), expected, atol=precision)
