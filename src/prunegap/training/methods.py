"""The methods of fine-tuning: plain ones here, constrained ones from the formulations."""

from dataclasses import dataclass
from typing import Literal

from prunegap.constraints.formulation import ConstrainedMethod, constrained_method, constrained_methods
from prunegap.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Method:
    """A way to fine-tune.

    Attributes:
        name: as in flags and tables.
        constrained: formulation and its measurement; None for plain fine-tuning.
        keeps: the weights it ends with: those of the last epoch, or of the epoch at the final sparsity with the
            best accuracy on a held-out split (or, as the paper did, on the test split).
    """

    name: str
    constrained: ConstrainedMethod | None = None
    keeps: Literal["last", "best_on_validation", "best_on_test"] = "last"


PLAIN = {
    plain.name: plain
    for plain in (
        Method("nft"),
        Method("nft_es", keeps="best_on_validation"),
        Method("nft_es_on_test", keeps="best_on_test"),
    )
}


def method_names() -> tuple[str, ...]:
    """Names of all methods."""
    return (*PLAIN, *constrained_methods())


def find_method(name: str) -> Method:
    """Return the method of that name.

    Raises:
        UserError: no such method.
    """
    if name not in method_names():
        raise UserError(f"method '{name}' is not known{did_you_mean(name, method_names())}")
    return PLAIN[name] if name in PLAIN else Method(name, constrained_method(name))


def find_dense_method(name: str) -> Method:
    """Return the method of that name if it can train a dense model.

    Raises:
        UserError: no such method, or one that continues from a dense model or compares with it.
    """
    method = find_method(name)
    if method.keeps != "last" or (method.constrained is not None and method.constrained.needs_dense):
        why = "picks an epoch of fine-tuning" if method.keeps != "last" else "compares with a dense model"
        raise UserError(
            f"method '{name}' {why}, and the dense model is only being made: take nft, or a method that compares "
            "with none, such as el_rb (its formulation has needs_dense = False)"
        )
    return method
