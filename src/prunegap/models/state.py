"""Loading weights by name: strictly, or with one line that says what does not fit."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from prunegap.errors import UserError

SHOWN = 3


def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy ``state`` into the model, every tensor of it.

    Counters of batch-norm steps may be missing, as in weights older than them. A model keeps its own dtype.

    Raises:
        UserError: names are missing or unexpected, or shapes differ; the first few of each are named.
    """
    own: dict[str, Tensor] = model.state_dict()
    counters = {name: value for name, value in own.items() if name.endswith(".num_batches_tracked")}
    complaints = [
        _complaint("missing", [name for name in own if name not in state and name not in counters]),
        _complaint("unexpected", [name for name in state if name not in own]),
        _complaint("of another shape", _other_shapes(own, state)),
    ]
    if any(complaints):
        raise UserError(f"weights do not fit the model: {'; '.join(filter(None, complaints))}")
    model.load_state_dict({**counters, **state}, strict=True)


def _other_shapes(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{name} (weights {tuple(value.shape)}, model {tuple(own[name].shape)})"
        for name, value in state.items()
        if name in own and value.shape != own[name].shape
    ]


def _complaint(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what}: {', '.join(names[:SHOWN])}{more}" if names else ""
