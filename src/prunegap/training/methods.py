"""The methods of fine-tuning: plain ones here, constrained ones from the formulations, others from entry points.

A method that is no constrained problem is one module with a :class:`Method` in it, and an entry point of the group
``prunegap.methods`` that names that object. It may weigh the groups, draw the examples of an epoch, and change the
model after the last epoch; everything else is plain training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from prunegap.errors import UserError, did_you_mean
from prunegap.extensions import extension, extension_code, extensions

if TYPE_CHECKING:
    from prunegap.constraints.formulation import ConstrainedMethod
    from prunegap.data.batches import Sampler
    from prunegap.shapes import GroupFloats, GroupInts
    from prunegap.training.run import TrainingPlan
    from prunegap.training.state import TrainingState


@dataclass(frozen=True)
class Method:
    """A way to fine-tune.

    Attributes:
        name: as in flags and tables.
        constrained: formulation and its measurement; None for plain fine-tuning.
        keeps: the weights it ends with: those of the last epoch, or of the epoch at the final sparsity with the
            best accuracy on a held-out split (or, as the paper did, on the test split).
        summary: what it does, a sentence for readers of a report; empty while its formulation is not imported.
        group_weights: from the number of training examples of each group (0: it has none) the weight a of its
            examples: plain training of ``(a[g_i] * loss_i)``'s mean over a batch. A constrained method has its own.
        sampler: draws the examples of an epoch; None: each once, shuffled.
        finish: called before the first epoch, where it refuses what it cannot do (UserError); it returns what is
            done to the model after the last epoch, with the state that it was given as it is then.
        fits_on_validation: whether it needs a validation split, which says nothing of unseen data then.

    Raises:
        UserError: it keeps its best epoch, and changes the model after the last one.
    """

    name: str
    constrained: ConstrainedMethod | None = None
    keeps: Literal["last", "best_on_validation", "best_on_test"] = "last"
    summary: str = ""
    group_weights: Callable[[GroupInts], GroupFloats] | None = None
    sampler: Sampler | None = None
    finish: Callable[[TrainingState, TrainingPlan], Callable[[], None]] | None = None
    fits_on_validation: bool = False

    def __post_init__(self) -> None:
        if self.finish is not None and self.keeps != "last":
            raise UserError(
                f"method '{self.name}' keeps its best epoch and has a finish, which changes the last epoch's weights; "
                "leave one of the two out"
            )


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
    return tuple(dict.fromkeys((*PLAIN, *extensions("formulations"), *extensions("methods"))))


def describe_method(name: str) -> Method:
    """Return a method without its formulation, which would import it.

    Raises:
        UserError: no such method, or two, or what an entry point names is none.
    """
    if name not in method_names():
        raise UserError(f"method '{name}' is not known{did_you_mean(name, method_names())}")
    if name in PLAIN or name not in extensions("methods"):
        return PLAIN.get(name, Method(name))
    if name in extensions("formulations"):
        raise UserError(f"method '{name}' is added twice, as a formulation and as a method; have one renamed")
    made: Any = extension("methods", name)
    if not isinstance(made, Method):
        raise UserError(
            f"method '{name}' must be a prunegap.training.methods.Method, its entry point names a "
            f"{type(made).__name__}; correct the package that adds it"
        )
    return replace(made, name=name)


def find_method(name: str) -> Method:
    """Return the method of that name.

    Raises:
        UserError: no such method, or its package cannot be imported.
    """
    method = describe_method(name)
    if name not in extensions("formulations"):
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


def fitted_on(name: str) -> tuple[str, ...]:
    """Return the splits that a method's weights are fitted on; of one that is not installed here: train."""
    known = name in method_names() and describe_method(name).fits_on_validation
    return ("train", "validation") if known else ("train",)


def method_code(name: str, controller: str) -> dict[str, str]:
    """Return the digests of the code a method is added by, and of the controller of a constrained one."""
    if name in PLAIN:
        return {}
    if name in extensions("methods"):
        return extension_code("methods", name)
    return extension_code("formulations", name) | extension_code("controllers", controller)
