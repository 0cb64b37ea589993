"""A file of weights becomes tensors by name; nothing in it is ever run."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from prunegap.acquisition.weights_file import weights_file
from prunegap.errors import UserError
from prunegap.pickles import ends_whole
from prunegap.training.tensor_files import read_tensors

ENVELOPES = ("state_dict", "model_state_dict", "model", "net")
WRAPPERS = ("module.", "_orig_mod.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict: safetensors, or torch's format with ``weights_only``.

    A checkpoint that holds the weights under ``state_dict``, ``model`` or ``net`` is opened, and the prefixes
    that parallel or compiled training puts before every name are dropped.

    Args:
        path: the file, or a folder with one file of weights; its content decides, not its suffix.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        UserError: a file that is missing, damaged, no weights, or would need to run code.
    """
    path = weights_file(path)
    with path.open("rb") as file:
        start = file.read(64)
    if start[8:9] == b"{":  # behind eight bytes of length, which may look like any other format's
        found = read_tensors(path)[0]
    elif start.startswith((b"PK", b"\x80")):
        found = _read_torch(path)
    elif start.lstrip().startswith(b"<"):
        raise UserError(f"{path}: is a web page, not weights; download the file itself")
    else:
        found = read_tensors(path)[0]
    return _without_wrappers(_open_envelope(found, path))


def _read_torch(path: Path) -> Any:  # noqa: ANN401
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error follows what torch warns of here
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        needs = re.search(r"GLOBAL ([\w.]+)", str(error))
        if needs is None or not (zipfile.is_zipfile(path) or ends_whole(path)):
            raise UserError(f"{path}: damaged, or not written by torch.save; fetch it again") from None
        raise UserError(
            f"{path}: reading it would run code ({needs[1]}), which is never done; "
            "save the state_dict alone, best as safetensors"
        ) from None
    except Exception as error:  # noqa: BLE001, RUF100 - a damaged archive fails in many ways
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: damaged, or not written by torch.save ({reason}); fetch it again") from None


def _open_envelope(found: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(found, Mapping) or not found:
        kind = type(cast("object", found)).__name__
        raise UserError(f"{path}: holds a {kind}, expected tensors by name (a state_dict)")
    entries = cast("Mapping[Any, Any]", found)
    for key in ENVELOPES:
        if isinstance(entries.get(key), Mapping):
            entries = entries[key]
    odd = [f"{key} ({type(value).__name__})" for key, value in entries.items() if not isinstance(value, Tensor)]
    if odd:
        raise UserError(
            f"{path}: not every entry is a tensor: {', '.join(odd[:3])}; save the model's state_dict alone, "
            f"or under one of {', '.join(ENVELOPES)}"
        )
    return {str(name): value.detach() for name, value in entries.items()}


def _without_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in WRAPPERS * 2:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
