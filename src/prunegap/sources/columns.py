"""CSV and Parquet files as columns of text."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunegap.errors import UserError
from prunegap.sources.rows import BadRow


@dataclass(frozen=True)
class Columns:
    """Columns by name, all of one length, and the lines that do not fit the header."""

    values: dict[str, list[str]]
    bad: list[BadRow]


def read_columns(path: Path) -> Columns:
    """Read ``.csv`` (UTF-8, with a header) or ``.parquet``; a missing value becomes an empty text.

    Raises:
        UserError: another suffix, or a file that is not what its suffix says.
    """
    return _read_parquet(path) if is_parquet(path) else _read_csv(path)


def is_parquet(path: Path) -> bool:
    """Whether a table is a Parquet file, else a CSV file; where it has no suffix its first bytes say so.

    Raises:
        UserError: its suffix says neither.
    """
    suffix = path.suffix.lower()
    if not suffix and path.is_file():
        return begins_with(path, b"PAR1")
    if suffix not in {".csv", ".parquet", ".pq"}:
        raise UserError(f"{path}: a table is a .csv or .parquet file, got '{suffix}'")
    return suffix != ".csv"


def begins_with(path: Path, first: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as file:
        return file.read(len(first)) == first


def column_names(header: Sequence[str], path: Path) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        UserError: a name is there twice.
    """
    names = [name.strip() for name in header]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UserError(f"{path}: the column '{twice[0]}' is there twice; rename one")
    return names


def parquet_table(path: Path) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a Parquet file as a ``pyarrow.Table``.

    Raises:
        UserError: it is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file ({' '.join(str(error).split())})") from None


def _read_csv(path: Path) -> Columns:
    try:
        # utf-8-sig: spreadsheets write a byte-order mark that would become part of the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [(number, line) for number, line in enumerate(csv.reader(file), start=1) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error}); save it as such") from None
    if not lines:
        raise UserError(f"{path}: an empty table; it needs a header line and rows")
    header = column_names(lines[0][1], path)
    fits = [line for _, line in lines[1:] if len(line) == len(header)]
    bad = [
        BadRow(f"{path.name} row {number}", f"{len(line)} fields, the header has {len(header)}")
        for number, line in lines[1:]
        if len(line) != len(header)
    ]
    return Columns({name: [line[i].strip() for line in fits] for i, name in enumerate(header)}, bad)


def _read_parquet(path: Path) -> Columns:
    import pyarrow as pa

    table = parquet_table(path)
    # Nested and binary columns (embedded images, boxes) hold no attribute that could be named.
    flat = [item.name for item in table.schema if not (pa.types.is_nested(item.type) or pa.types.is_binary(item.type))]
    return Columns({name: [_text(value) for value in table.column(name).to_pylist()] for name in flat}, [])


def _text(value: Any) -> str:  # noqa: ANN401
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    # A column of whole numbers with a gap in it comes back from a data frame as floats.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
