"""The weights that torchvision publishes; a file's name ends in the first 8 digits of its sha256."""

import importlib
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import torch

from prunegap.errors import UserError, did_you_mean


def published_weights(source: str) -> tuple[str, str]:
    """Return the address and the first digits of the sha256 of ``torchvision:<weights enum>``.

    Raises:
        UserError: torchvision knows no such weights.
    """
    models = importlib.import_module("torchvision.models")  # takes a second
    name = source.removeprefix("torchvision:")
    enums = [models.get_model_weights(model) for model in models.list_models(module=models)]
    addresses: dict[str, str] = {str(entry): entry.url for enum in enums for entry in enum}
    if name not in addresses:
        raise UserError(f"torchvision has no weights '{name}'{did_you_mean(name, addresses)}")
    url = addresses[name]
    return url, PurePosixPath(url).stem.rpartition("-")[2]


def hub_file(url: str) -> Path:
    """Return where torch itself keeps a download of ``url`` (under TORCH_HOME), there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlsplit(url).path).name
