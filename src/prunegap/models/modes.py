"""Training and evaluation mode, module by module: a part its author froze in evaluation mode stays frozen."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(model: nn.Module) -> Generator[None]:
    """Put a whole model into evaluation mode, and every module of it back into the mode it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def enter_training(model: nn.Module) -> None:
    """Ready a model for training steps: parts in evaluation mode inside a model in training mode stay so.

    Such a part (a batch norm whose constructor called ``.eval()``, say) was frozen on purpose. A model that is as
    a whole in evaluation mode was only being measured or was handed over so, and goes into training mode whole.
    """
    if not model.training:
        model.train()
