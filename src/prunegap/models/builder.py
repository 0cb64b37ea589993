"""Builders of networks, called with the data's dimensions; the user's own is ``package.module:function``."""

import importlib
import inspect
from collections.abc import Callable

from torch import nn

from prunegap.errors import UserError, did_you_mean
from prunegap.models.spec import ModelSpec


def call_builder(builder: Callable[..., object], spec: ModelSpec) -> nn.Module:
    """Call the builder of ``spec`` with keywords num_classes, in_channels and image_size.

    What the builder itself raises passes through: its traceback belongs to the user's code.

    Raises:
        UserError: it takes other arguments, or does not return an ``nn.Module``.
    """
    dimensions = {
        "num_classes": spec.num_classes,
        "in_channels": spec.in_channels,
        "image_size": spec.image_size,
    }
    try:
        inspect.signature(builder).bind(**dimensions)
    except TypeError as error:
        raise UserError(
            f"model '{spec.name}' cannot be called with keywords {', '.join(dimensions)}: {error}"
        ) from None
    model = builder(**dimensions)
    if not isinstance(model, nn.Module):
        raise UserError(f"model '{spec.name}' must return a torch.nn.Module, it returned a {type(model).__name__}")
    return model


def find_builder(name: str) -> Callable[..., object]:
    """Import ``package.module`` and return its ``function``.

    Raises:
        UserError: the module cannot be imported, or has no such function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError, TypeError) as error:
        raise UserError(
            f"model '{name}': cannot import '{module_name}' ({error}); write it as package.module:function "
            "and put its folder on PYTHONPATH"
        ) from error
    builder = getattr(module, function_name, None)
    if not callable(builder):
        members = inspect.getmembers(module, inspect.isfunction)
        functions = [key for key, value in members if value.__module__ == module_name]
        hint = did_you_mean(function_name, functions)
        raise UserError(f"model '{name}': module '{module_name}' has no function '{function_name}'{hint}")
    return builder
