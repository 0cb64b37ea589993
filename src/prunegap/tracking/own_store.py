"""A workspace's own MLflow store: it keeps absolute addresses of its files, and a workspace may be moved or copied."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from prunegap.errors import UserError
from prunegap.tracking.addresses import ARTIFACTS, DATABASE

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's tables that hold addresses of files."""


def keep_files_here(workspace: Path) -> None:
    """Have the store of a workspace that was moved or copied find its files in this folder, and write no other.

    Where it was copied from stays as it is, and is neither read nor written through the copy.

    Raises:
        UserError: the store points elsewhere and cannot be changed.
    """
    path, here = workspace.resolve() / DATABASE, (workspace / ARTIFACTS).resolve().as_uri()
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=60)) as store, store:
            for place in sorted(set(_places(store)) - {here}):
                for table, column in ADDRESSES:
                    _replace(store, table, column, place, here)
    except sqlite3.Error as error:
        raise UserError(
            f"{path}: was copied from another folder and cannot be told where its files are now ({error}); "
            "copy the workspace to where it can be written"
        ) from None


def _places(store: sqlite3.Connection) -> Iterator[str]:
    """Yield every folder of a workspace's files that an address begins with."""
    for table, column in ADDRESSES if _is_made(store) else ():
        for (address,) in store.execute(f"SELECT DISTINCT {column} FROM {table}"):  # noqa: S608 - our own names
            root, found, _ = f"{address or ''}/".rpartition(f"/{ARTIFACTS}/")
            if found and root.startswith("file:"):
                yield f"{root}/{ARTIFACTS}"


def _is_made(store: sqlite3.Connection) -> bool:
    made = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return made >= {table for table, _ in ADDRESSES}


def _replace(store: sqlite3.Connection, table: str, column: str, place: str, here: str) -> None:
    store.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - our own names
        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
        (here, len(place) + 1, place, len(place) + 1, f"{place}/"),
    )
