"""``fairface``: images with ``fairface_label_train.csv`` and ``..._val.csv``; val is the test part.

A spreadsheet turns the ages 3-9 and 10-19 into dates (``03-Sep``, ``Oct-19``): both are repaired. Any other
age, gender or race outside the published ones is a bad row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prunegap.errors import UserError, did_you_mean
from prunegap.remote.location import folder_at
from prunegap.sources.columns import read_columns
from prunegap.sources.images import read_image
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import BadRow, Rows

VALUE_ORDER = {
    "race": (
        "East Asian",
        "Indian",
        "Black",
        "White",
        "Middle Eastern",
        "Latino_Hispanic",
        "Southeast Asian",
    ),
    "gender": ("Male", "Female"),
    "age_bin": ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"),
}
_CSV_NAME = {"race": "race", "gender": "gender", "age_bin": "age"}
_REPAIRED_AGES = {"03-Sep": "3-9", "3-Sep": "3-9", "Oct-19": "10-19"}


def open_fairface(location: str, options: SourceOptions) -> Rows:
    """Read FairFace: columns race, gender and age_bin; image paths are relative to the folder.

    Raises:
        UserError: a CSV or one of its columns is missing.
    """
    folder = folder_at(location, options.cache_dir)
    faces: dict[str, _Face] = {}
    bad: list[BadRow] = []
    for file, part in (("fairface_label_train.csv", "train"), ("fairface_label_val.csv", "test")):
        _read(folder / file, part, faces, bad)
    names = list(faces)
    return Rows(
        names=names,
        columns={column: [face.labels[column] for face in faces.values()] for column in VALUE_ORDER},
        load=lambda row: read_image(folder / names[row]),
        default_target="race",
        default_group="race",
        part=[face.part for face in faces.values()],
        value_order=VALUE_ORDER,
        bad=bad,
    )


@dataclass(frozen=True)
class _Face:
    labels: Mapping[str, str]
    part: str


def _read(path: Path, part: str, faces: dict[str, _Face], bad: list[BadRow]) -> None:
    if not path.is_file():
        raise UserError(f"{path}: no such file; FairFace needs fairface_label_train.csv and fairface_label_val.csv")
    table = read_columns(path)
    for needed in ("file", *_CSV_NAME.values()):
        if needed not in table.values:
            raise UserError(f"{path}: no column '{needed}'{did_you_mean(needed, table.values)}")
    bad.extend(table.bad)
    for index, name in enumerate(table.values["file"]):
        labels = {column: table.values[_CSV_NAME[column]][index] for column in VALUE_ORDER}
        labels["age_bin"] = _REPAIRED_AGES.get(labels["age_bin"], labels["age_bin"])
        reason = _fault(labels) or ("listed a second time" if name in faces else "")
        if reason:
            bad.append(BadRow(name, reason))
        else:
            faces[name] = _Face(labels, part)


def _fault(labels: Mapping[str, str]) -> str:
    for column, valid in VALUE_ORDER.items():
        if labels[column] not in valid:
            return f"{_CSV_NAME[column]} '{labels[column]}' is none of: {', '.join(valid)}"
    return ""
