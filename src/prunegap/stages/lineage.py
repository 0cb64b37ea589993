"""Whether artifacts that meet in a stage belong together: what two of them were made from must be the same."""

from collections.abc import Mapping

from prunegap.artifacts.manifest import Manifest
from prunegap.errors import UserError


def require_one_lineage(inputs: Mapping[str, Manifest], paths: Mapping[str, object]) -> None:
    """Refuse inputs of different runs: one made from another artifact than the one given, or than another input was.

    An input of many artifacts (``evaluations/0``) holds those of several runs and is not looked at.

    Args:
        inputs: manifest of every input by name.
        paths: where they lie, for the message.

    Raises:
        UserError: naming both artifacts.
    """
    single = {name: manifest for name, manifest in inputs.items() if "/" not in name}
    for name, manifest in single.items():
        for source, digest in manifest.identity.inputs.items():
            if source in single and single[source].digest != digest:
                raise UserError(
                    f"{paths[name]}: this {manifest.kind} was made from another {source} than {paths[source]}; "
                    "give those of one run"
                )
    ancestors: dict[str, tuple[str, str]] = {}
    for name, manifest in single.items():
        for source, digest in manifest.identity.inputs.items():
            other, known = ancestors.setdefault(source, (name, digest))
            if known != digest:
                raise UserError(
                    f"{paths[name]}: this {manifest.kind} was made from another {source} than {paths[other]}; "
                    "give those of one run"
                )
