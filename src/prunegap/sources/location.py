"""From what the user wrote (a path or an ``s3://`` address) to a folder or file on this machine."""

from pathlib import Path

from prunegap.errors import UserError
from prunegap.sources.s3 import fetch, fetch_tree, is_s3


def folder_at(location: str, cache_dir: Path) -> Path:
    """Return the folder at ``location``, copied into ``cache_dir`` if it is an ``s3://`` prefix.

    Raises:
        UserError: no location, nothing there, a file, or what :func:`prunegap.sources.s3.fetch_tree` raises.
    """
    if is_s3(location):
        return fetch_tree(location, cache_dir)
    path = _existing(location, "folder")
    if not path.is_dir():
        raise UserError(f"{location}: is a file, this source needs a folder or an s3:// prefix")
    return path


def file_at(location: str, cache_dir: Path) -> Path:
    """Return the file at ``location``, copied into ``cache_dir`` if it is an ``s3://`` address.

    Raises:
        UserError: no location, nothing there, a folder, or what :func:`prunegap.sources.s3.fetch` raises.
    """
    if is_s3(location):
        return fetch(location, cache_dir)
    path = _existing(location, "file")
    if path.is_dir():
        raise UserError(f"{location}: is a folder, this source needs one file")
    return path


def _existing(location: str, noun: str) -> Path:
    if not location:
        raise UserError(f"this source needs a location: a {noun} or an s3:// address")
    path = Path(location).expanduser()
    if not path.exists():
        raise UserError(f"{location}: no such {noun}; name an existing {noun} or an s3:// address")
    return path
