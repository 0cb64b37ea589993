"""Copies of files whose address does not say whether they changed: a sha256 has to vouch for one to be used again."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from prunegap.remote.checksum import check_sha256, matches
from prunegap.remote.web import shown

Download = Callable[[str, Path], Path]
"""Brings what lies at an address into a folder and returns the one file that is meant."""


def fetch_cached(address: str, wanted: str, cache: Path, download: Download) -> Path:
    """Return the cached file if ``wanted`` vouches for it, else download, check and cache it.

    It appears in the cache by a rename, so that a broken download leaves nothing behind.

    Args:
        address: what ``download`` is given.
        wanted: first digits of the file's sha256, or empty for no check and a new download.
        cache: folder for copies; made where it is missing.
        download: brings the file.

    Raises:
        UserError: another sha256, or what ``download`` raises.
    """
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    for kept in cache.glob(f"{key}-*"):
        if matches(kept, wanted):
            return kept
    with TemporaryDirectory(dir=cache, prefix=".partial-") as partial:
        file = download(address, Path(partial))
        check_sha256(file, wanted, shown(address))
        return file.replace(cache / f"{key}-{file.name}")
