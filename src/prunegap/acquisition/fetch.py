"""Weights from wherever they are: a file, the web, an object store, the MLflow registry, torchvision."""

from pathlib import Path

from prunegap.acquisition.mlflow_registry import download_registered
from prunegap.acquisition.torchvision_weights import hub_file, published_weights
from prunegap.acquisition.weights_file import weights_file
from prunegap.errors import UserError, did_you_mean
from prunegap.remote import s3
from prunegap.remote.cache import Download, fetch_cached
from prunegap.remote.checksum import check_sha256, matches, wanted_digits
from prunegap.remote.web import download_web

DOWNLOADS: dict[str, Download] = {"http": download_web, "https": download_web, "models": download_registered}
SCHEMES = (*DOWNLOADS, "s3", "torchvision", "file")


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
    if scheme == "s3":
        return _fetch_object(source, wanted, cache)
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


def _fetch_object(uri: str, wanted: str, cache: Path) -> Path:
    path = s3.fetch(uri, cache)
    if wanted and not matches(path, wanted):
        path.unlink()  # our copy may be what is damaged
        path = s3.fetch(uri, cache)
        check_sha256(path, wanted, uri)
    return path
