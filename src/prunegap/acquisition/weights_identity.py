"""What the weights at an address are now, without fetching them."""

import re
from collections.abc import Mapping
from pathlib import Path

from prunegap.acquisition.mlflow_registry import registered_version
from prunegap.acquisition.weights_file import OWN_MODEL, OWN_WEIGHTS, weights_file
from prunegap.digests import UNKNOWN, sha256_of
from prunegap.errors import UserError
from prunegap.remote.listing import listing
from prunegap.remote.s3 import is_s3
from prunegap.remote.web import shown, web_state

BY_NAME = re.compile(r"torchvision:|models:/m-|models:/[^@]+/\d+$")
"""Weights that their name alone tells from all others: published ones, a version of a registry."""


def weights_identity(source: str, sha256: str) -> Mapping[str, str]:
    """Return the digest of weights by what a person calls them: content here, an ETag or a version elsewhere.

    Nothing for weights that the parameters alone name for good, by their sha256 or :data:`BY_NAME`; ``unknown`` where
    they cannot be looked at now.
    """
    if sha256 or BY_NAME.match(source):
        return {}
    name = f"weights {shown(source).rstrip('/').rpartition('/')[2]}"
    try:
        return {name: _state(source)}
    except (UserError, OSError):
        return {name: UNKNOWN}


def _state(source: str) -> str:
    if is_s3(source):
        return " ".join(f"{entry.path} {entry.stamp}" for entry in listing(source))
    if source.startswith(("http://", "https://")):
        return web_state(source)
    if source.startswith("models:"):
        return registered_version(source)
    file = weights_file(Path(source.removeprefix("file://")).expanduser())
    own = file.name == OWN_WEIGHTS and (file.parent / OWN_MODEL).is_file()
    return "-".join(map(sha256_of, [file, file.parent / OWN_MODEL] if own else [file]))
