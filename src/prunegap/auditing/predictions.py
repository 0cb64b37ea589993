"""Predictions of two models on the same examples, from a table or two: who was right, and the groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunegap.auditing.tables import Column, Table, column, compute, read_table
from prunegap.digests import sha256_of
from prunegap.errors import UserError

MISSING = "(missing)"
BETWEEN = " / "
RIGHT, WRONG = {"1", "1.0", "true", "True"}, {"0", "0.0", "false", "False"}


@dataclass(frozen=True)
class Predictions:
    """Who was right, and the attributes that examples are grouped by.

    Attributes:
        before: whether the model before is right, shape (examples,).
        after: whether the model after is.
        groups: number of each example's group, from 0, by attribute.
        names: names of the groups, in that order, by attribute.
        notes: what was noticed and is to be said, a sentence each.
        files: sha256 of each file that was read, by its name.
    """

    before: NDArray[np.bool_]
    after: NDArray[np.bool_]
    groups: dict[str, NDArray[np.int64]]
    names: dict[str, list[str]]
    notes: tuple[str, ...]
    files: dict[str, str]

    def intersection(self, attributes: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
        """Return the number of each example's group in the intersection of attributes, and the names of those there."""
        sizes = [len(self.names[one]) for one in attributes]
        joint = np.ravel_multi_index([self.groups[one] for one in attributes], sizes)
        present, numbers = np.unique(joint, return_inverse=True)
        places = np.unravel_index(present, sizes)
        names = [
            BETWEEN.join(self.names[one][place[at]] for one, place in zip(attributes, places, strict=True))
            for at in range(len(present))
        ]
        return numbers.astype(np.int64), names


def read_predictions(
    path: Path,
    *,
    before: str,
    after: str,
    groups: Sequence[str],
    label: str = "",
    other: Path | None = None,
    identifier: str = "",
) -> Predictions:
    """Read predictions.

    Args:
        path: CSV or Parquet file, a row an example.
        before: column of the model before; with scores, ``<before>_<class>`` a class.
        after: likewise of the model after.
        groups: columns of attributes.
        label: column of the true class; empty: before and after say 1 for right and 0 for wrong.
        other: a second file with the columns that the first lacks.
        identifier: column of both files that says which example a row is.

    Raises:
        UserError: a column that is not there, values that are no prediction, ids twice, or other examples.
    """
    table, files = read_table(path), {path.name: sha256_of(path)}
    if other is not None:
        table, files = _joined(table, path, other, identifier), files | {other.name: sha256_of(other)}
    if not table.num_rows:
        raise UserError(f"{path}: an empty table; it needs a row an example")
    truth = _label(table, label, path) if label else None
    notes: list[str] = []
    numbers: dict[str, NDArray[np.int64]] = {}
    names: dict[str, list[str]] = {}
    for attribute in groups:
        numbers[attribute], names[attribute] = _grouped(column(table, attribute, path))
        if MISSING in names[attribute]:
            count = int((numbers[attribute] == names[attribute].index(MISSING)).sum())
            notes.append(f"{count} examples without a value of {attribute} are the group {MISSING}")
    return Predictions(
        before=_right(table, before, truth, path),
        after=_right(table, after, truth, path),
        groups=numbers,
        names=names,
        notes=tuple(notes),
        files=files,
    )


def _label(table: Table, name: str, path: Path) -> Column:
    values = column(table, name, path)
    _refuse_missing(values, name, path)
    return values


def _right(table: Table, name: str, truth: Column | None, path: Path) -> NDArray[np.bool_]:
    """Return whether a model is right, from its predictions, its scores, or what the column says itself."""
    classes = [one.removeprefix(f"{name}_") for one in table.column_names if one.startswith(f"{name}_")]
    if name not in table.column_names and classes and truth is not None:
        return _right_by_scores(table, name, classes, truth, path)
    values = column(table, name, path)
    _refuse_missing(values, name, path)
    if truth is not None:
        return _same(values, truth)
    texts = values.unique().to_pylist()
    if odd := sorted(set(texts) - RIGHT - WRONG):
        raise UserError(
            f"{path}: without --label, '{name}' must say 1 (right) or 0 (wrong), found '{odd[0]}'; "
            "name the column of the true class with --label"
        )
    return _truths(values)


def _truths(values: Column) -> NDArray[np.bool_]:
    import pyarrow as pa

    pc = compute()

    return np.asarray(pc.is_in(values, pa.array(sorted(RIGHT))))


def _same(values: Column, truth: Column) -> NDArray[np.bool_]:
    """Return where two columns name the same class; numbers are compared as numbers (3 and 3.0)."""
    import pyarrow as pa

    pc = compute()

    try:
        return np.asarray(pc.equal(values.cast(pa.float64()), truth.cast(pa.float64())))
    except pa.ArrowInvalid:
        return np.asarray(pc.equal(values, truth))


def _right_by_scores(table: Table, name: str, classes: Sequence[str], truth: Column, path: Path) -> NDArray[np.bool_]:
    import pyarrow as pa

    pc = compute()

    unknown = sorted(set(truth.unique().to_pylist()) - set(classes))
    if unknown:
        raise UserError(f"{path}: the class '{unknown[0]}' has no column of scores '{name}_{unknown[0]}'")
    scores = np.empty((table.num_rows, len(classes)))
    for at, one in enumerate(classes):
        values = column(table, f"{name}_{one}", path)
        try:
            scores[:, at] = np.asarray(values.cast(pa.float64()))
        except pa.ArrowInvalid:
            raise UserError(f"{path}: the column '{name}_{one}' holds no scores: not every value is a number") from None
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise UserError(f"{path}: row {row + 1}: a score of '{name}' is not finite")
    wanted = np.asarray(pc.index_in(truth, pa.array(list(classes))))
    return scores.argmax(axis=1) == wanted


def _refuse_missing(values: Column, name: str, path: Path) -> None:
    pc = compute()

    empty = np.flatnonzero(np.asarray(pc.equal(values, "")))
    if len(empty):
        raise UserError(
            f"{path}: {len(empty)} rows have no value in the column '{name}', the first is row {empty[0] + 1}; "
            "fill them in or take these examples out"
        )


def _grouped(values: Column) -> tuple[NDArray[np.int64], list[str]]:
    coded = values.combine_chunks().dictionary_encode()
    words = [word or MISSING for word in coded.dictionary.to_pylist()]
    order = np.argsort(np.asarray(words, dtype=object), kind="stable")
    rank = np.empty(len(words), dtype=np.int64)
    rank[order] = np.arange(len(words))
    return rank[np.asarray(coded.indices)], [words[at] for at in order]


def _joined(table: Table, path: Path, other: Path, identifier: str) -> Table:
    """Return the first table with the second's columns that it lacks, row by row by the identifier."""
    pc = compute()

    if not identifier:
        raise UserError(f"--with {other}: say with --id which column of both files names an example")
    second = read_table(other)
    ids, theirs = column(table, identifier, path), column(second, identifier, other)
    for values, where in ((ids, path), (theirs, other)):
        _refuse_missing(values, identifier, where)
        if len(values.unique()) < len(values):
            counts = pc.value_counts(values)
            twice = next(one["values"].as_py() for one in counts if one["counts"].as_py() > 1)
            raise UserError(f"{where}: the id '{twice}' is there more than once in the column '{identifier}'")
    place = pc.index_in(ids, theirs.combine_chunks())
    absent = np.flatnonzero(np.asarray(pc.is_null(place)))
    if len(absent) or len(ids) != len(theirs):
        example = ids[int(absent[0])].as_py() if len(absent) else "one more"
        raise UserError(
            f"{path} has {len(ids)} examples and {other} {len(theirs)}, and they are not the same ('{example}' is in "
            "one of them only); the two models must have seen the same examples"
        )
    for name in second.column_names:
        if name not in table.column_names:
            table = table.append_column(name, second.column(name).take(place))
    return table
