"""Statistics and in-place selection over packed images, without a second copy of the training set."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from prunegap.sources.rows import Image

_CHUNK = 256


def channel_statistics(images: Image) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of every channel of NCHW images, in units of the range 0..1.

    Exact up to rounding: from the counts of the 256 values. A channel without variation has deviation 1.
    """
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        for channel in range(images.shape[1]):
            counts[channel] += np.bincount(images[start : start + _CHUNK, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))
    return mean.tolist(), [float(one) or 1.0 for one in std]


def take_parts(images: Image, parts: Sequence[npt.NDArray[np.int64]]) -> list[Image]:
    """Return ``images[part]`` for each part (ascending indices); the first reuses the memory of ``images``.

    The largest part comes first, so that the peak is the data set and its smaller parts, not twice it.
    """
    first, *others = parts
    copies = [images[part] for part in others]
    for start in range(0, len(first), _CHUNK):
        chunk = first[start : start + _CHUNK]
        # Ascending indices: what is read lies at or behind what is written, so nothing is overwritten unread.
        images[start : start + len(chunk)] = images[chunk]
    return [images[: len(first)], *copies]
