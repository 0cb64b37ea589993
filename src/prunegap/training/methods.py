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
        summary: what it does, a sentence for readers of a report.
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
    return (*PLAIN, *constrained_methods())


def find_method(name: str) -> Method:
    """Return the method of that name.

    Raises:
        UserError: no such method.
    """
    if name not in method_names():
        raise UserError(f"method '{name}' is not known{did_you_mean(name, method_names())}")
    if name in PLAIN:
        return PLAIN[name]
    constrained = constrained_method(name)
    return Method(name, constrained, summary=constrained.summary)
