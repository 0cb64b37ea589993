"""What a network may be called; nothing is imported for it."""

from prunegap.extensions import extensions


def model_names() -> list[str]:
    """Return the names of all networks, sorted; one's own is written ``package.module:function``."""
    return list(extensions("models"))
