"""What a source would read now, without reading its pixels: enough to know whether the data changed."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from prunegap.digests import UNKNOWN, sha256_of
from prunegap.errors import UserError
from prunegap.remote.listing import Entry, listing
from prunegap.remote.location import file_at
from prunegap.remote.s3 import is_s3
from prunegap.sources.registry import SourceOptions

TABLES = (".csv", ".parquet", ".pq")


def source_identity(location: str, options: SourceOptions) -> Mapping[str, str]:
    """Return digests by what a person calls them: the place of the data, and the images that a table names.

    A table counts by its content; everything else by path, size and modification time (of an object: ETag).
    ``unknown``: it cannot be looked at now.
    """
    if not location:
        return {}
    name = PurePosixPath(location.rstrip("/")).name or location
    is_table = location.lower().endswith(TABLES)
    names = [name, f"images of {name}"] if is_table else [name]
    try:
        if not is_table:
            return {name: _digest(listing(location))}
        table = file_at(location, options.cache_dir)
        images = _images(table, location, options)
        return dict(zip(names, (sha256_of(table), _digest(_states(images))), strict=True))
    except (UserError, OSError):
        return dict.fromkeys(names, UNKNOWN)


def _images(table: Path, location: str, options: SourceOptions) -> list[str]:
    from prunegap.sources.columns import read_columns
    from prunegap.sources.table import beside, path_of

    named = read_columns(table).values.get(options.image_column, [])
    template = options.own.get("image_path", "")
    return sorted({beside(location, path_of(image, template)) for image in named if image})


def _states(images: Sequence[str]) -> Iterator[Entry]:
    """Yield the state of every image; one that is not there has none, and the source will say so."""
    for image in images:
        if not is_s3(image):
            path = Path(image).expanduser()
            if path.is_file():
                found = path.stat()
                yield Entry(image, found.st_size, str(found.st_mtime_ns))
    wanted = {image for image in images if is_s3(image)}
    for prefix in sorted({image.rpartition("/")[0] for image in wanted}):
        for entry in listing(f"{prefix}/"):
            if f"{prefix}/{entry.path}" in wanted:
                yield Entry(f"{prefix}/{entry.path}", entry.size, entry.stamp)


def _digest(entries: Iterable[Entry]) -> str:
    lines = [[one.path, one.size, one.stamp] for one in entries]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()
