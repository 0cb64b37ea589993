"""One forward pass without data: does a network take images of this size and return a score a class?"""

from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from prunegap.errors import UserError
from prunegap.models.spec import ModelSpec


def check_dimensions(model: nn.Module, spec: ModelSpec) -> None:
    """Check that the network maps images of the spec to one score a class; its state stays as it is.

    Raises:
        UserError: the network fails on such images, or returns something else.
    """
    training = {module: module.training for module in model.modules()}
    try:
        scores = dry_forward(model.eval(), spec)
    except Exception as error:  # whatever a layer raises on a size it cannot take
        size = " x ".join(map(str, spec.image_shape))
        raise UserError(
            f"model '{spec.name}' cannot take {size} images ({one_line(error)}); "
            "choose another model or another image size in prepare_data"
        ) from error
    finally:
        for module, mode in training.items():
            module.training = mode
    if not isinstance(scores, Tensor) or scores.shape[1:] != (spec.num_classes,):
        found = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise UserError(
            f"model '{spec.name}' must return a tensor of shape (n, {spec.num_classes}), it returned {found}"
        )


def dry_forward(model: nn.Module, spec: ModelSpec) -> object:
    """Forward two images on the meta device, which computes shapes only; where that fails, one for real.

    A user's network may hold plain tensors or code that the meta device cannot follow.
    """
    shape = spec.image_shape
    state = dict(chain(model.named_parameters(), model.named_buffers()))
    shapes_only = {name: torch.empty_like(value, device="meta") for name, value in state.items()}
    with torch.no_grad():
        try:
            return functional_call(model, shapes_only, torch.empty(2, *shape, device="meta"))
        except Exception:  # noqa: BLE001, RUF100 - the real forward below decides
            like = next((value for value in state.values() if value.is_floating_point()), torch.empty(0))
            return model(torch.zeros(1, *shape, dtype=like.dtype, device=like.device))


def one_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
