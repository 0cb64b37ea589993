"""The roles of a network's layers in words, for logs and reports; no torch."""

from collections.abc import Mapping, Sequence

ROLES = {
    "input": "input layer",
    "classifier": "classifier",
    "kept": "keep_dense",
    "idle": "not on the way from image to scores",
    "other": "of a kind that is not pruned",
}
"""Why a layer stays dense, by the name of its role."""


def why_dense(layers: Mapping[str, Sequence[str]]) -> str:
    """Return which layers stay dense and why, from their names by role."""
    dense = [f"{', '.join(layers[role])} ({words})" for role, words in ROLES.items() if layers.get(role)]
    return "dense stay " + "; ".join(dense)
