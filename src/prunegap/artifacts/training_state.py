"""An optimizer's state beside a model, so that fine-tuning goes on with the momentum pruning ended with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunegap.errors import UserError
from prunegap.training.tensor_files import read_tensors, write_tensors

TRAINING_STATE = "training_state.safetensors"
_PLAIN = "plain"


def save_training_state(folder: Path, optimizer_state: Mapping[str, Any]) -> None:
    """Write ``optimizer.state_dict()`` into an artifact folder.

    A tensor of the state is the file's tensor ``<number of the parameter>.<name>``; everything else is JSON in its
    metadata.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {"param_groups": optimizer_state["param_groups"], "state": {}, "channels_last": []}
    for number, values in optimizer_state["state"].items():
        of_parameter = plain["state"][number] = {}
        for name, value in values.items():
            if not isinstance(value, Tensor):
                of_parameter[name] = value
                continue
            tensors[f"{number}.{name}"] = value
            if _is_channels_last(value):
                plain["channels_last"].append(f"{number}.{name}")
    write_tensors(folder / TRAINING_STATE, tensors, {_PLAIN: json.dumps(plain)})


def load_training_state(folder: Path) -> dict[str, Any]:
    """Read what :func:`save_training_state` wrote, with the same bits and layouts; tensors on the CPU, tuples as lists.

    Raises:
        UserError: no such file, or a damaged one.
    """
    tensors, metadata = read_tensors(folder / TRAINING_STATE)
    if _PLAIN not in metadata:
        raise UserError(f"{folder / TRAINING_STATE}: holds no optimizer's state; run the stage that wrote it again")
    plain = json.loads(metadata[_PLAIN])
    state: dict[int, dict[str, Any]] = {int(number): values for number, values in plain["state"].items()}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        as_it_was = value.clone(memory_format=torch.channels_last) if key in plain["channels_last"] else value
        state[int(number)][name] = as_it_was
    return {"state": state, "param_groups": plain["param_groups"]}


def _is_channels_last(tensor: Tensor) -> bool:
    """Whether a tensor lies so; momentum laid out unlike its weight slows every step."""
    if tensor.dim() != 4:
        return False
    return tensor.stride() == torch.empty(tensor.shape, device="meta", memory_format=torch.channels_last).stride()
