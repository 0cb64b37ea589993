"""Digests of files."""

import hashlib
from pathlib import Path

UNKNOWN = "unknown"
"""Digest of something outside that cannot be looked at now: it counts as unchanged."""


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
