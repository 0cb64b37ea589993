"""The one file of weights in a folder: our own model's, or the only .safetensors, .pt or .pth."""

import os
from pathlib import Path

from prunegap.errors import UserError

SUFFIXES = (".safetensors", ".pt", ".pth")
OWN_MODEL, OWN_WEIGHTS, OWN_MASKS = "model.json", "weights.safetensors", "masks.safetensors"


def weights_file(path: Path) -> Path:
    """Return ``path`` if it is a file, else the file of weights inside the folder.

    Raises:
        UserError: nothing there; no or several files of weights in the folder; our own model, but sparse.
    """
    if path.is_file():
        if not os.access(path, os.R_OK):
            raise UserError(f"{path}: cannot be read; change its permissions")
        return path
    if not path.is_dir():
        raise UserError(f"{path}: no such file of weights")
    for model in sorted(path.rglob(OWN_MODEL)):
        if (model.parent / OWN_MASKS).exists():
            raise UserError(f"{model.parent}: holds a sparse model (it has masks); name a dense model instead")
        if (model.parent / OWN_WEIGHTS).exists():
            return model.parent / OWN_WEIGHTS
    files = sorted(file for file in path.rglob("*") if file.is_file())
    found = [file for file in files if file.suffix in SUFFIXES] or (files if len(files) == 1 else [])
    if len(found) != 1:
        names = ", ".join(file.relative_to(path).as_posix() for file in found[:5]) or "none"
        raise UserError(f"{path}: expected one file of weights ({', '.join(SUFFIXES)}) in the folder, found {names}")
    return found[0]
