"""Whether artifacts that meet in a stage belong together: what two of them were made from must be the same."""

from collections.abc import Mapping

from prunegap.artifacts.kind import KINDS
from prunegap.artifacts.manifest import Manifest
from prunegap.errors import UserError


def require_one_lineage(inputs: Mapping[str, Manifest], paths: Mapping[str, object]) -> None:
    """Refuse inputs of different runs: one made from another artifact than the one given, or than another input was.

    A kind may say that it can meet others of what it was made from (``Artifact.meets_other``). An input of many
    artifacts (``evaluations/0``) holds those of several runs and is not looked at.

    Args:
        inputs: manifest of every input by name.
        paths: where they lie, for the message.

    Raises:
        UserError: naming both artifacts.
    """
    single = {name: manifest for name, manifest in inputs.items() if "/" not in name}
    sources = {name: (name, manifest.digest) for name, manifest in single.items()}
    for name, manifest in single.items():
        for source, digest in manifest.identity.inputs.items():
            if source in KINDS[manifest.kind].meets_other:
                continue
            other, known = sources.setdefault(source, (name, digest))
            if known != digest:
                given = f"{paths[other]}" if other == source else f"{paths[other]} was"
                raise UserError(
                    f"{paths[name]}: this {manifest.kind} was made from another {source} than {given}; "
                    "give those of one run"
                )
