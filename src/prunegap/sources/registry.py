"""The sources by name: entry points of the group ``prunegap.sources``, each a function ``(location, options) -> Rows``.

The names are known without importing a source; :func:`open_source` imports the one that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.extensions import entry_point, extension, extensions
from prunegap.remote.location import default_cache_dir
from prunegap.source_code import code_digest

if TYPE_CHECKING:
    from prunegap.sources.rows import Rows


@dataclass(frozen=True)
class SourceOptions:
    """What a source may need besides its location.

    Attributes:
        cache_dir: where copies of ``s3://`` objects are kept.
        download: let torchvision sets be downloaded into their location when they are missing.
        image_column: of a table: the column of image paths.
        label_column: of a table: the column that is predicted and grouped by unless said otherwise.
        part_column: of a table: the column that says ``train`` or ``test``, where there is one.
    """

    cache_dir: Path = field(default_factory=default_cache_dir)
    download: bool = False
    image_column: str = "image"
    label_column: str = "label"
    part_column: str = "split"


def source_names() -> list[str]:
    """Return the names of all sources, sorted."""
    return list(extensions("sources"))


def source_code(name: str) -> dict[str, str]:
    """Return the digest of a source's code, which no import of ours leads to.

    Raises:
        UserError: no such source.
    """
    return {f"the code of source {name}": code_digest(entry_point("sources", name).module)}


def open_source(name: str, location: str = "", options: SourceOptions | None = None) -> Rows:
    """Open a source by name.

    Args:
        name: one of :func:`source_names`.
        location: a folder, a file or an ``s3://`` address, as the source has it; ``digits`` needs none.
        options: everything else; the defaults if None.

    Raises:
        UserError: an unknown name, nothing at the location, what is there has another form, or a package's source
            that returns no rows.
    """
    opener = extension("sources", name)
    rows = opener(location, options or SourceOptions())
    from prunegap.sources.rows import Rows

    if not isinstance(rows, Rows):
        raise UserError(f"source '{name}' must return Rows, it returned a {type(rows).__name__}; correct its package")
    return rows
