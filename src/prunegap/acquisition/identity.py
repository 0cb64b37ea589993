"""What the weights at an address are, without fetching them where that can be had."""

from collections.abc import Mapping
from pathlib import Path

from prunegap.acquisition.weights_file import OWN_MODEL, OWN_WEIGHTS, weights_file
from prunegap.digests import UNKNOWN, sha256_of
from prunegap.errors import UserError


def weights_identity(source: str, sha256: str) -> Mapping[str, str]:
    """Return the digest of weights by what a person calls them; ``unknown`` where they cannot be looked at now.

    Nothing for weights that the parameters alone name for good: by their sha256, by a version of a registry, or as
    torchvision published them.
    """
    if sha256 or source.startswith("torchvision:"):
        return {}
    name = f"weights {source.rstrip('/').rpartition('/')[2]}"
    try:
        file = weights_file(Path(source.removeprefix("file://")).expanduser())
    except UserError:
        return {name: UNKNOWN}
    digests = [sha256_of(file)]
    if file.name == OWN_WEIGHTS and (file.parent / OWN_MODEL).is_file():
        digests.append(sha256_of(file.parent / OWN_MODEL))
    return {name: "-".join(digests)}
