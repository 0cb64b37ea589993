"""Weights from wherever they are: a file, the web, an object store, the MLflow registry, torchvision.

A download is kept in a cache and used again only when a given sha256 vouches for it: what an address or an
alias names may change. It appears there by a rename, so that a broken download leaves nothing behind.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from prunegap.acquisition.checksum import check_sha256, matches, wanted_digits
from prunegap.acquisition.registry import download_registered
from prunegap.acquisition.s3 import download_s3
from prunegap.acquisition.torchvision_weights import hub_file, published_weights
from prunegap.acquisition.web import download_web, shown
from prunegap.acquisition.weights_file import weights_file
from prunegap.errors import UserError, did_you_mean

Download = Callable[[str, Path], None]
DOWNLOADS: dict[str, Download] = {
    "http": download_web,
    "https": download_web,
    "s3": download_s3,
    "models": download_registered,
}
SCHEMES = (*DOWNLOADS, "torchvision", "file")


def fetch_weights(source: str, *, sha256: str, cache: Path) -> Path:
    """Bring weights to this machine and check them.

    Args:
        source: a path, ``http(s)://...``, ``s3://bucket/key``, ``models:/name/version`` or
            ``models:/name@alias`` (MLflow's registry), or ``torchvision:<weights enum>``, for instance
            ``torchvision:MobileNet_V2_Weights.IMAGENET1K_V1``. A folder, local or registered, holds one file
            of weights, or our own model.
        sha256: the file's sha256 or at least its first 8 digits; empty: unchecked (torchvision's files are
            checked against the digits in their names all the same).
        cache: folder for downloads.

    Returns:
        The file, for :func:`prunegap.acquisition.read.read_weights`.

    Raises:
        UserError: an unknown kind of source, nothing there, no access, or another sha256.
    """
    wanted = wanted_digits(sha256)
    scheme = scheme_of(source)
    address = source
    if scheme == "torchvision":
        address, published = published_weights(source)
        wanted = wanted or published
        if matches(hub_file(address), wanted):
            return hub_file(address)
        scheme = "https"
    if scheme in DOWNLOADS:
        return fetch_cached(address, wanted, cache, DOWNLOADS[scheme])
    path = weights_file(Path(source.removeprefix("file://")).expanduser())
    check_sha256(path, wanted, source)
    return path


def scheme_of(source: str) -> str:
    """Return the kind of a source: one of :data:`SCHEMES`, ``file`` for a path.

    Raises:
        UserError: an unknown kind.
    """
    scheme, colon, _ = source.partition(":")
    if not colon or "/" in scheme:
        return "file"
    if scheme not in SCHEMES:
        hint = did_you_mean(scheme, SCHEMES)
        raise UserError(f"unknown source of weights '{scheme}:'{hint} (a path with a colon begins with ./)")
    return scheme


def fetch_cached(address: str, wanted: str, cache: Path, download: Download) -> Path:
    """Return the cached file if ``wanted`` vouches for it, else download, check and cache it."""
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    for kept in cache.glob(f"{key}-*"):
        if matches(kept, wanted):
            return kept
    with TemporaryDirectory(dir=cache, prefix=".partial-") as partial:
        download(address, Path(partial))
        found = weights_file(Path(partial))
        check_sha256(found, wanted, shown(address))
        return found.replace(cache / f"{key}-{found.name}")
