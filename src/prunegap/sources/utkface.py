"""``utkface``: faces whose file names say age, gender and race: ``[age]_[gender]_[race]_[date].jpg``.

Of the published names three lack a field: bad rows. One has a blank and one lacks a dot after the date;
their labels are plain, so they are used, and the paper's split comes out as published.
"""

import re
from pathlib import Path

from prunegap.errors import UserError
from prunegap.remote.location import folder_at
from prunegap.sources.images import is_image, read_image
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import BadRow, RowError, Rows

RACES = ("White", "Black", "Asian", "Indian", "Others")
GENDERS = ("Male", "Female")
AGE_BINS = (*(f"{age}-{age + 9}" for age in range(0, 80, 10)), "80+")
_NAME = re.compile(r"(\d{1,3})_(\d+)_(\d+)_\d+", re.ASCII)


def open_utkface(location: str, options: SourceOptions) -> Rows:
    """Read the aligned faces of one folder: columns race, gender and age_bin (nine bins of ten years).

    Raises:
        UserError: no image there.
    """
    folder = folder_at(location, options.cache_dir)
    files = sorted(path.name for path in folder.iterdir() if is_image(path))
    if not files:
        raise UserError(f"{location}: no images there; name the folder of the [age]_[gender]_[race]_[date].jpg files")
    names: list[str] = []
    labels: list[tuple[str, str, str]] = []
    bad: list[BadRow] = []
    for name in files:
        try:
            labels.append(labels_of(name))
            names.append(name)
        except RowError as error:
            bad.append(BadRow(name, str(error)))
    return Rows(
        names=names,
        columns={column: [row[i] for row in labels] for i, column in enumerate(("race", "gender", "age_bin"))},
        load=lambda row: read_image(Path(folder, names[row])),
        default_target="race",
        default_group="race",
        value_order={"race": RACES, "gender": GENDERS, "age_bin": AGE_BINS},
        bad=bad,
    )


def labels_of(name: str) -> tuple[str, str, str]:
    """Return race, gender and age bin that a file name states.

    Raises:
        RowError: a field is missing or has no meaning.
    """
    match = _NAME.match(name)
    if match is None:
        raise RowError("malformed name, expected [age]_[gender]_[race]_[date].jpg")
    age, gender, race = (int(field) for field in match.groups())
    if gender >= len(GENDERS):
        raise RowError(f"gender must be 0 or 1, got {gender}")
    if race >= len(RACES):
        raise RowError(f"race must be 0..4, got {race}")
    return RACES[race], GENDERS[gender], AGE_BINS[min(age // 10, 8)]
