"""The sources by name. A file in this package that decorates a function with :func:`source` adds one."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from prunegap.errors import UserError, did_you_mean
from prunegap.remote.location import default_cache_dir
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


Opener = Callable[[str, SourceOptions], Rows]
_OPENERS: dict[str, Opener] = {}


def source(name: str) -> Callable[[Opener], Opener]:
    """Register a function ``(location, options) -> Rows`` as the source ``name``."""

    def register(opener: Opener) -> Opener:
        _OPENERS[name] = opener
        return opener

    return register


def source_names() -> list[str]:
    """Return the names of all sources, sorted."""
    _import_sources()
    return sorted(_OPENERS)


def open_source(name: str, location: str = "", options: SourceOptions | None = None) -> Rows:
    """Open a source by name.

    Args:
        name: one of :func:`source_names`.
        location: a folder, a file or an ``s3://`` address, as the source has it; ``digits`` needs none.
        options: everything else; the defaults if None.

    Raises:
        UserError: an unknown name, nothing at the location, or what is there has another form.
    """
    _import_sources()
    if name not in _OPENERS:
        raise UserError(f"unknown source '{name}'{did_you_mean(name, _OPENERS)}")
    return _OPENERS[name](location, options or SourceOptions())


def _import_sources() -> None:
    package = importlib.import_module("prunegap.sources")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
