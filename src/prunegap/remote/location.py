"""From what the user wrote (a path or an ``s3://`` address) to a folder or file on this machine."""

import os
from pathlib import Path

from prunegap.errors import UserError
from prunegap.remote.s3 import fetch, fetch_tree, is_s3


def default_cache_dir() -> Path:
    """Return where copies of files elsewhere are kept unless the user says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "prunegap"


def folder_at(location: str, cache_dir: Path) -> Path:
    """Return the folder at ``location``, copied into ``cache_dir`` if it is an ``s3://`` prefix.

    Raises:
        UserError: no location, nothing there, a file, or what :func:`prunegap.remote.s3.fetch_tree` raises.
    """
    if is_s3(location):
        return fetch_tree(location, cache_dir)
    path = existing(location, "folder")
    if not path.is_dir():
        raise UserError(f"{location}: is a file, this source needs a folder or an s3:// prefix")
    return path


def file_at(location: str, cache_dir: Path) -> Path:
    """Return the file at ``location``, copied into ``cache_dir`` if it is an ``s3://`` address.

    Raises:
        UserError: no location, nothing there, a folder, or what :func:`prunegap.remote.s3.fetch` raises.
    """
    if is_s3(location):
        return fetch(location, cache_dir)
    path = existing(location, "file")
    if path.is_dir():
        raise UserError(f"{location}: is a folder, this source needs one file")
    return path


def existing(location: str, noun: str) -> Path:
    """Return the path that ``location`` names, a ``noun``.

    Raises:
        UserError: no location, or nothing there.
    """
    if not location:
        raise UserError(f"this source needs a location: a {noun} or an s3:// address")
    path = Path(location).expanduser()
    if not path.exists():
        raise UserError(f"{location}: no such {noun}; name an existing {noun} or an s3:// address")
    return path
