"""One forward pass without data: does a network take images of this size and return a score a class?"""

from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

from prunegap.errors import UserError
from prunegap.models.modes import evaluation_mode
from prunegap.models.spec import ModelSpec


def check_dimensions(model: nn.Module, spec: ModelSpec) -> None:
    """Check that the network maps images of the spec to one score a class; its state stays as it is.

    Raises:
        UserError: the network fails on such images, or returns something else.
    """
    try:
        with evaluation_mode(model):
            materialise(model, spec)
            scores = dry_forward(model, spec)
    except UserError:
        raise
    except Exception as error:  # whatever a layer raises on a size it cannot take
        size = " x ".join(map(str, spec.image_shape))
        raise UserError(
            f"model '{spec.name}' cannot take {size} images ({one_line(error)}); "
            "choose another model or another image size in prepare_data"
        ) from error
    if not isinstance(scores, Tensor) or scores.shape[1:] != (spec.num_classes,):
        found = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise UserError(
            f"model '{spec.name}' must return a tensor of shape (n, {spec.num_classes}), it returned {found}"
        )


def dry_forward(model: nn.Module, spec: ModelSpec) -> object:
    """Forward two images on the meta device, which computes shapes only; where that fails, one for real.

    A user's network may hold plain tensors or code that the meta device cannot follow.
    """
    state = dict(chain(model.named_parameters(), model.named_buffers()))
    shapes_only = {name: torch.empty_like(value, device="meta") for name, value in state.items()}
    with torch.no_grad():
        try:
            return functional_call(model, shapes_only, torch.empty_like(blank_images(spec), device="meta"))
        except Exception:  # noqa: BLE001, RUF100 - the real forward below decides
            like = next((value for value in state.values() if value.is_floating_point()), torch.empty(0))
            return model(blank_images(spec).to(like)[:1])


def materialise(model: nn.Module, spec: ModelSpec) -> None:
    """Give lazy layers their sizes, by one real forward pass; a model without any stays untouched.

    Raises:
        UserError: a layer is still lazy, as it never runs.
    """
    if not _lazy(model):
        return
    with torch.no_grad():
        model(blank_images(spec))
    if _lazy(model):
        raise UserError(
            f"model '{spec.name}': {', '.join(_lazy(model))} stay without a size, as no image passes their lazy layer; "
            "remove it or give it sizes"
        )


def blank_images(spec: ModelSpec) -> Tensor:
    """Return two black images of the size a model of this spec takes."""
    return torch.zeros(2, *spec.image_shape)


def _lazy(model: nn.Module) -> list[str]:
    return [name for name, value in chain(model.named_parameters(), model.named_buffers()) if is_lazy(value)]


def one_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
