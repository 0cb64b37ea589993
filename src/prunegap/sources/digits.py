"""``digits``: scikit-learn's 1,797 handwritten digits of 8x8 pixels; nothing to download."""

from typing import Any

import numpy as np

from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import Rows


def open_digits(location: str, options: SourceOptions) -> Rows:  # noqa: ARG001
    """Read the digits that come with scikit-learn: greyscale, values 0..16 scaled to 0..255, no parts."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = np.rint(bunch["images"] * (255 / 16)).astype(np.uint8)
    return Rows(
        names=[f"{row:04d}" for row in range(len(images))],
        columns={"class": [str(label) for label in bunch["target"]]},
        load=lambda row: images[row],
        default_target="class",
        default_group="class",
    )
