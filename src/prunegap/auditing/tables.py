"""A CSV or Parquet file of predictions as columns of text, by pyarrow: a million rows in about a second."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunegap.errors import UserError, did_you_mean
from prunegap.sources.columns import begins_with, column_names, is_parquet, parquet_table

Table = Any
"""A ``pyarrow.Table``; pyarrow has no types."""
Column = Any
"""A ``pyarrow.ChunkedArray``."""


def compute() -> Any:  # noqa: ANN401 - a module whose functions are made when it is imported
    """Return ``pyarrow.compute``."""
    import pyarrow.compute

    return pyarrow.compute


def read_table(path: Path) -> Table:
    """Read a ``.csv`` file (UTF-8, with a header; every value stays text), a ``.parquet`` file, or a table of MLflow.

    A file without a suffix, as a pipeline's steps hand it on, is what its first bytes say.

    Raises:
        UserError: another suffix, or a file that is not what its suffix says.
    """
    if path.suffix.lower() == ".json" or (not path.suffix and path.is_file() and begins_with(path, b"{")):
        return _read_mlflow_table(path)
    return parquet_table(path) if is_parquet(path) else _read_csv(path)


def column(table: Table, name: str, path: Path) -> Column:
    """Return a column as text, stripped; a missing value is an empty text.

    Raises:
        UserError: no such column, or one that holds no plain values.
    """
    import pyarrow as pa

    if name not in table.column_names:
        raise UserError(f"{path}: no column '{name}'{did_you_mean(name, table.column_names)}")
    pc = compute()
    values = table.column(name)
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise UserError(f"{path}: the column '{name}' holds {values.type}, not plain values")
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    return pc.fill_null(pc.utf8_trim_whitespace(values.cast(pa.string())), "")


def _read_mlflow_table(path: Path) -> Table:
    """Read what ``mlflow.log_table`` writes: ``{"columns": [names], "data": [rows]}``."""
    import json

    import pyarrow as pa

    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        names, rows = raw["columns"], raw["data"]
        texts = [["" if value is None else str(value) for value in each] for each in zip(*rows, strict=True)]
        if len(texts) != len(names) and rows:
            raise ValueError(f"{len(names)} columns, rows of {len(texts)} values")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a table as mlflow.log_table writes it ({' '.join(str(error).split())})") from None
    named = column_names(names, path)
    return pa.table(dict(zip(named, texts or [[] for _ in named], strict=True)))


def _read_csv(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow import csv

    bad: list[Any] = []

    def refuse(row: Any) -> str:  # noqa: ANN401
        bad.append(row)
        return "skip"

    parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse)
    header = _header(path)
    convert = csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    try:
        table = csv.read_csv(path, parse_options=parse, convert_options=convert)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 with a header ({' '.join(str(error).split())})") from None
    if bad:
        first = f"'{str(bad[0].text)[:60]}' has {bad[0].actual_columns} fields, the header {bad[0].expected_columns}"
        raise UserError(f"{path}: {len(bad)} rows do not fit the header: {first}")
    return table.rename_columns([name.strip().removeprefix("\ufeff") for name in table.column_names])


def _header(path: Path) -> Sequence[str]:
    import csv

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error}); save it as such") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if not column_names(header, path):
        raise UserError(f"{path}: an empty table; it needs a header line and rows")
    return header
