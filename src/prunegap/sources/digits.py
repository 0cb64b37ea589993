"""``digits``: scikit-learn's 1,797 handwritten digits of 8x8 pixels; nothing to download."""

from typing import Any

import numpy as np

from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import Image, Rows


def open_digits(location: str, options: SourceOptions) -> Rows:  # noqa: ARG001
    """Read the digits that come with scikit-learn, without parts."""
    images, classes = digit_images()
    return Rows(
        names=[f"{row:04d}" for row in range(len(images))],
        columns={"class": classes},
        load=lambda row: images[row],
        default_target="class",
        default_group="class",
    )


def digit_images() -> tuple[Image, list[str]]:
    """Return the images, greyscale with values 0..16 scaled to 0..255, shape (1797, 8, 8), and the digit of each."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return np.rint(bunch["images"] * (255 / 16)).astype(np.uint8), [str(label) for label in bunch["target"]]
