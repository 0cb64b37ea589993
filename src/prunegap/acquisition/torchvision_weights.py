"""The weights that torchvision publishes; a file's name ends in the first 8 digits of its sha256."""

import importlib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import torch

from prunegap.errors import UserError, did_you_mean

PREFIX = "torchvision:"


def published_weights(source: str) -> tuple[str, str]:
    """Return the address and the first digits of the sha256 of ``torchvision:<weights enum>``.

    Raises:
        UserError: torchvision knows no such weights.
    """
    url: str = _entry(source).url
    return url, PurePosixPath(url).stem.rpartition("-")[2]


def published_normalisation(source: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of every channel that ``torchvision:<weights enum>`` were trained with.

    Raises:
        UserError: torchvision knows no such weights.
    """
    transforms = _entry(source).transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def _entry(source: str) -> Any:  # noqa: ANN401 - a member of one of torchvision's enums
    models = importlib.import_module("torchvision.models")  # takes a second
    name = source.removeprefix(PREFIX)
    enums = [models.get_model_weights(model) for model in models.list_models(module=models)]
    entries = {str(entry): entry for enum in enums for entry in enum}
    if name not in entries:
        raise UserError(f"torchvision has no weights '{name}'{did_you_mean(name, entries)}")
    return entries[name]


def hub_file(url: str) -> Path:
    """Return where torch itself keeps a download of ``url`` (under TORCH_HOME), there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlsplit(url).path).name
