"""A package of somebody else's, installed as far as Python can tell."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from prunegap.extensions import extensions


@contextmanager
def installed(folder: Path, name: str, code: str, groups: Mapping[str, Mapping[str, str]]) -> Generator[None]:
    """Have the module ``name`` with ``code`` add entry points: ``groups[group][name] = "module:object"``."""
    (folder / f"{name}.py").write_text(dedent(code))
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    sections = [
        f"[prunegap.{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in groups.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(sections))
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        extensions.cache_clear()
        try:
            yield
        finally:
            extensions.cache_clear()
