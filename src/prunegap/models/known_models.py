"""What a network may be called, and the code behind a name; nothing is imported for it."""

from prunegap.extensions import extension_code, extensions
from prunegap.source_code import code_digest


def model_names() -> list[str]:
    """Return the names of all networks, sorted; one's own is written ``package.module:function``."""
    return list(extensions("models"))


def model_code(name: str) -> dict[str, str]:
    """Return the digest of the code that builds a network, which no import of ours leads to.

    Raises:
        UserError: there is no such name or module.
    """
    module, own, _ = name.partition(":")
    return {f"the code of model {name}": code_digest(module)} if own else extension_code("models", name)
