"""What lies at a location, without reading it: enough to know whether any of it changed."""

import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from prunegap.errors import UserError
from prunegap.remote.location import existing
from prunegap.remote.s3 import as_prefix, connect, head, is_s3, objects_under, split_uri
from prunegap.remote.s3_errors import MissingObjectError


class Entry(NamedTuple):
    """One file or object.

    Attributes:
        path: relative to the location, with slashes; the bare name where the location is the file itself.
        size: in bytes.
        stamp: time of modification in nanoseconds, or an object's ETag.
    """

    path: str
    size: int
    stamp: str


def listing(location: str) -> tuple[Entry, ...]:
    """List a file, everything in a folder and its folders, or the objects at or under an ``s3://`` address.

    Links are followed. Content is not read: a file that was rewritten with its size and time kept is not noticed.

    Args:
        location: a path or an ``s3://`` address.

    Returns:
        The entries, sorted; none for an empty folder.

    Raises:
        UserError: no location, nothing there, a folder that may not be read, or what
            :func:`prunegap.remote.s3.fetch` raises.
    """
    if is_s3(location):
        return tuple(sorted(_objects(location)))
    path = existing(location, "file or folder")
    try:
        if path.is_dir():
            return tuple(sorted(_files(str(path), "", ())))
        return (_entry(path.name, path.stat()),)
    except PermissionError as error:
        raise UserError(f"{error.filename}: cannot be read; change its permissions") from None


def _files(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
    status = os.stat(folder)  # noqa: PTH116 - no Path for each of many files
    identity = status.st_dev, status.st_ino
    if identity in above:  # a link to a folder above itself
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path, f"{prefix}{entry.name}/", (*above, identity))
            else:
                yield _entry(prefix + entry.name, _status(entry))


def _status(entry: "os.DirEntry[str]") -> os.stat_result:
    try:
        return entry.stat()
    except FileNotFoundError:  # a link to nothing is listed as it is
        return entry.stat(follow_symlinks=False)


def _entry(path: str, status: os.stat_result) -> Entry:
    return Entry(path, status.st_size, str(status.st_mtime_ns))


def _objects(uri: str) -> Iterator[Entry]:
    client = connect()
    _, key = split_uri(uri)
    under = objects_under(uri, client)
    for one in under:
        yield Entry(one.key.removeprefix(as_prefix(key)), one.size, one.etag)
    if not key or key.endswith("/"):
        if not under:
            raise MissingObjectError(f"{uri}: no objects under this prefix; check the address and the endpoint")
        return
    try:
        one = head(uri, client)
        yield Entry(PurePosixPath(key).name, one.size, one.etag)
    except MissingObjectError:
        if not under:
            raise
