"""The sources by name: entry points of the group ``prunegap.sources``, each a function ``(location, options) -> Rows``.

What such a function takes by keyword only, a text with a default, is an option of that source alone::

    def open_squares(location, options, *, side="2"):
        ...

The names are known without importing a source; :func:`open_source` imports the one that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.errors import UserError
from prunegap.extensions import extension, extensions, require_options
from prunegap.remote.location import default_cache_dir

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
        own: options of the source alone, by name.
    """

    cache_dir: Path = field(default_factory=default_cache_dir)
    download: bool = False
    image_column: str = "image"
    label_column: str = "label"
    part_column: str = "split"
    own: Mapping[str, str] = field(default_factory=dict[str, str])


def source_names() -> list[str]:
    """Return the names of all sources, sorted."""
    return list(extensions("sources"))


def open_source(name: str, location: str = "", options: SourceOptions | None = None) -> Rows:
    """Open a source by name.

    Args:
        name: one of :func:`source_names`.
        location: a folder, a file or an ``s3://`` address, as the source has it; ``digits`` needs none.
        options: everything else; the defaults if None.

    Raises:
        UserError: an unknown name or option, nothing at the location, what is there has another form, or a source of a
            package that returns no rows.
    """
    opener, options = extension("sources", name), options or SourceOptions()
    require_options("sources", name, options.own, "source_options")
    rows = opener(location, options, **options.own)
    from prunegap.sources.rows import Rows

    if not isinstance(rows, Rows):
        raise UserError(f"source '{name}' must return Rows, it returned a {type(rows).__name__}; correct its package")
    return rows
