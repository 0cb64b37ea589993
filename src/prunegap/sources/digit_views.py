"""``digit_views``: scikit-learn's handwritten digits, a minority of them seen otherwise too; nothing to download.

The digits are real, the groups are made up: every digit is there as it was written (``plain``), and one in ``every``
also in each of the other views. ``digit`` says which views show one digit: split by it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from prunegap.errors import UserError, did_you_mean
from prunegap.sources.digits import digit_images
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import Image, Rows

PLAIN = "plain"
VIEWS: Mapping[str, Callable[[Image], Image]] = {
    PLAIN: lambda image: image,
    "negative": lambda image: 255 - image,
    "turned": np.rot90,
    "faint": lambda image: image // 3,
}


def open_digit_views(
    location: str,  # noqa: ARG001
    options: SourceOptions,  # noqa: ARG001
    *,
    views: str = "negative",
    every: str = "3",
) -> Rows:
    """Show the digits plainly, and one in ``every`` of them in other views too.

    Args:
        location: not used.
        options: not used.
        views: views beside the plain one, with commas: negative, turned (by a quarter, to the left), faint.
        every: whole number: of how many digits one is seen in a view.

    Raises:
        UserError: an unknown view, or a number that is none.
    """
    wanted = [view.strip() for view in views.split(",")]
    for view in wanted:
        if view not in VIEWS or view == PLAIN:
            known = [name for name in VIEWS if name != PLAIN]
            raise UserError(f"source_options: views: no view '{view}'{did_you_mean(view, known)}")
    if not every.isdecimal() or int(every) < 1:
        raise UserError(f"source_options: every must be a whole number >= 1, got '{every}'")
    images, classes = digit_images()
    rows = [(digit, PLAIN) for digit in range(len(images))]
    for number, view in enumerate(wanted):
        rows += [(digit, view) for digit in range(number % int(every), len(images), int(every))]
    columns: dict[str, list[Any]] = {
        "class": [classes[digit] for digit, _ in rows],
        "view": [view for _, view in rows],
        "digit": [f"{digit:04d}" for digit, _ in rows],
    }
    return Rows(
        names=[f"{digit:04d} {view}" for digit, view in rows],
        columns=columns,
        load=lambda row: VIEWS[rows[row][1]](images[rows[row][0]]),
        default_target="class",
        default_group="view",
        value_order={"view": [PLAIN, *wanted]},
    )
