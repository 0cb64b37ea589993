"""Is a file the one that was meant? By its sha256, whole or its first digits."""

import re
from pathlib import Path

from prunegap.digests import sha256_of
from prunegap.errors import UserError


def wanted_digits(sha256: str) -> str:
    """Return the digits to compare with, in lower case; empty for no check.

    Raises:
        UserError: not 8 to 64 hexadecimal digits.
    """
    digits = sha256.strip().lower()
    if digits and not re.fullmatch(r"[0-9a-f]{8,64}", digits):
        raise UserError(f"sha256 must be 8 to 64 hexadecimal digits (or empty: unchecked), got '{sha256}'")
    return digits


def matches(path: Path, wanted: str) -> bool:
    """Whether the file is there and its sha256 begins with ``wanted``; never for empty digits."""
    return bool(wanted) and path.is_file() and sha256_of(path).startswith(wanted)


def check_sha256(path: Path, wanted: str, source: str) -> None:
    """Check a file's sha256; empty digits check nothing.

    Raises:
        UserError: another sha256; both are named.
    """
    if not wanted:
        return
    found = sha256_of(path)
    if not found.startswith(wanted):
        raise UserError(
            f"{source}: sha256 is {found}, expected {wanted}; the file is another one or damaged: "
            "fetch it again or correct the sha256"
        )
