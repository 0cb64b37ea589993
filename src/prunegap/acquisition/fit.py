"""Foreign weights into our model, where its classifier may have other classes."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from prunegap.errors import UserError
from prunegap.models.state import load_state
from prunegap.models.trace import classifier_names
from prunegap.shapes import Inputs


def fit_weights(
    model: nn.Module,
    state: Mapping[str, Tensor],
    head_rows: Sequence[int] | None,
    replace_head: bool,
    images: Inputs,
    *,
    is_of_others: bool = False,
) -> bool:
    """Load weights into a model, every tensor of them.

    Args:
        model: changed in place.
        state: the weights by name.
        head_rows: which rows of the classifier in ``state`` are our classes 0, 1, ...; None: all, in order.
            FairFace's 18 rows: [3, 5, 1, 0, 6, 2, 4] are race, [7, 8] gender.
        replace_head: where the classifier in ``state`` has another number of classes, or is missing,
            leave the model's own, fresh one.
        images: two images the model takes (their content does not matter), to find its classifier with.
        is_of_others: with ``replace_head``: the classifier is for other classes, though perhaps as many.

    Returns:
        Whether the classifier is that of the weights, not a fresh one.

    Raises:
        UserError: rows that are not there, weights that do not fit (the layers are named), or a classifier to be
            changed that is not one plain layer.
    """
    heads = classifier_names(model, images)
    head, (weight, bias) = heads[0], _parameters(heads[0])
    if len(heads) > 1 or weight not in model.state_dict():
        if head_rows is not None or replace_head:
            raise UserError(
                "head_rows and replace_head need a classifier that is one plain layer, the scores of this model are "
                f"made by {', '.join(heads)}; leave both out, and give weights of the data's classes"
            )
        load_state(model, state)
        return True
    names = [name for name in (weight, bias) if name in model.state_dict()]
    fitted = dict(state)
    if head_rows is not None:
        fitted |= {name: _rows(state, name, head_rows) for name in names}
    classes = model.state_dict()[names[0]].shape[0]
    found = fitted[names[0]].shape[0] if names[0] in fitted else 0
    is_fresh = (found != classes or is_of_others) and replace_head
    if is_fresh:
        fitted |= {name: model.state_dict()[name] for name in names}
    elif found not in {classes, 0}:
        raise UserError(
            f"weights are for {found} classes, the data has {classes}: set head_rows to choose {classes} "
            f"rows of '{head}', or replace_head to train it afresh"
        )
    load_state(model, fitted)
    return not is_fresh


def _parameters(layer: str) -> tuple[str, str]:
    prefix = f"{layer}." if layer else ""
    return f"{prefix}weight", f"{prefix}bias"


def _rows(state: Mapping[str, Tensor], name: str, rows: Sequence[int]) -> Tensor:
    if name not in state:
        raise UserError(f"head_rows chooses rows of '{name}', which the weights do not have")
    count = state[name].shape[0]
    outside = [row for row in rows if not 0 <= row < count]
    if outside:
        raise UserError(f"head_rows must be rows of '{name}', 0 to {count - 1}, got {outside[0]}")
    return state[name][list(rows)]
