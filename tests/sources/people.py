"""Small sources whose images say which row they are."""

from typing import Any

import numpy as np

from prunegap.sources.pack import pack
from prunegap.sources.rows import Rows

RACES = ("White", "Black", "Asian")
GENDERS = ("Male", "Female")


def people(count=60, *, images=None, **changes) -> Any:
    """Rows in every race and gender; image ``i`` is filled with the value ``i``; every fifth is test."""
    race = [RACES[i % 3] for i in range(count)]
    gender = [GENDERS[i // 3 % 2] for i in range(count)]
    images = images or [np.full((4, 4, 3), i, dtype=np.uint8) for i in range(count)]
    fields: dict[str, Any] = {
        "names": [f"{i:02d}.png" for i in range(count)],
        "columns": {"race": race, "gender": gender},
        "load": lambda row: images[row],
        "default_target": "race",
        "default_group": "race",
        "part": ["test" if i % 5 == 0 else "train" for i in range(count)],
        "value_order": {"race": RACES, "gender": GENDERS},
    }
    return Rows(**fields | changes)


def packed(rows, target="race", group_by=("race",), **settings) -> Any:
    return pack(rows, target=target, group_by=group_by, **settings)


def rows_in(split):
    """Which rows a split holds, by their pixels."""
    return split.images[:, 0, 0, 0].tolist()
