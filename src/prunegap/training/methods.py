"""The methods of fine-tuning: plain ones here, constrained ones from the formulations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from prunegap.errors import UserError, did_you_mean
from prunegap.extensions import extension_code, extensions

if TYPE_CHECKING:
    from prunegap.constraints.formulation import ConstrainedMethod


@dataclass(frozen=True)
class Method:
    """A way to fine-tune.

    Attributes:
        name: as in flags and tables.
        constrained: formulation and its measurement; None for plain fine-tuning.
        keeps: the weights it ends with: those of the last epoch, or of the epoch at the final sparsity with the
            best accuracy on a held-out split (or, as the paper did, on the test split).
        summary: what it does, a sentence for readers of a report; empty while its formulation is not imported.
    """

    name: str
    constrained: ConstrainedMethod | None = None
    keeps: Literal["last", "best_on_validation", "best_on_test"] = "last"
    summary: str = ""


PLAIN = {
    plain.name: plain
    for plain in (
        Method("nft", summary="Plain fine-tuning after pruning."),
        Method(
            "nft_es",
            keeps="best_on_validation",
            summary="Plain fine-tuning, stopped at the epoch that is best on held-out examples.",
        ),
        Method(
            "nft_es_on_test",
            keeps="best_on_test",
            summary="Plain fine-tuning, stopped at the epoch that is best on the test examples, as the paper did.",
        ),
    )
}


def method_names() -> tuple[str, ...]:
    """Names of all methods."""
    return (*PLAIN, *extensions("formulations"))


def describe_method(name: str) -> Method:
    """Return a method without its formulation, which would import it.

    Raises:
        UserError: no such method.
    """
    if name not in method_names():
        raise UserError(f"method '{name}' is not known{did_you_mean(name, method_names())}")
    return PLAIN.get(name, Method(name))


def find_method(name: str) -> Method:
    """Return the method of that name.

    Raises:
        UserError: no such method, or its package cannot be imported.
    """
    method = describe_method(name)
    if name in PLAIN:
        return method
    from prunegap.constraints.formulation import constrained_method

    constrained = constrained_method(name)
    return replace(method, constrained=constrained, summary=constrained.summary)


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


def method_code(name: str, controller: str) -> dict[str, str]:
    """Return the digests of a method's formulation and controller; a plain method has neither."""
    return {} if name in PLAIN else extension_code("formulations", name) | extension_code("controllers", controller)
