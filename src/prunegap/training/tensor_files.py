"""Safetensors files: written in pieces and atomically, read whole; what artifacts keep their tensors in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunegap.atomic import write_atomically
from prunegap.errors import UserError

PIECE = 16 * 2**20
ALIGNMENT = 8
DTYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What a safetensors file calls the types of tensors, in its order: the widest first, so that all lie aligned."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write one safetensors file, atomically; strides and shared storage are given up, values kept.

    Not by safetensors' own ``save_file``: it wants every tensor there at once, contiguous and with storage of its own
    (a pruned model's are computed one by one: for a file of 2 GB 2 GB more), and makes files that only their owner can
    read, while the next stage may be another user. Here a piece of 16 MB is held at a time (or one index of the first
    axis, where that is more). The mapping is asked twice for each tensor, so that one which computes its values need
    keep none.

    Raises:
        TypeError: a tensor of a type that safetensors has no name for.
    """
    wanted = {name: (value.dtype, list(value.shape), value.nbytes) for name, value in tensors.items()}
    unknown = next((name for name, (dtype, _, _) in wanted.items() if dtype not in DTYPES), None)
    if unknown is not None:
        raise TypeError(f"tensor '{unknown}': a safetensors file holds no {wanted[unknown][0]}")
    order = sorted(wanted, key=lambda name: (list(DTYPES).index(wanted[name][0]), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        dtype, shape, size = wanted[name]
        header[name] = {"dtype": DTYPES[dtype], "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with write_atomically(path, durable=True) as beside, beside.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            for piece in _pieces(tensors[name].detach()):
                file.write(_bytes(piece.cpu().contiguous()))


def _pieces(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return views of a tensor along its first axis, of 16 MB at most where an index of that axis is no larger."""
    rows = tensor.reshape(1) if tensor.dim() == 0 else tensor
    return rows.split(max(1, PIECE * len(rows) // max(1, rows.nbytes)))


def _bytes(tensor: Tensor) -> memoryview:
    # Not reshape: it leaves a lone element the stride it has, and such a tensor cannot be viewed as bytes.
    return tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8).numpy().data


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file.

    Raises:
        UserError: no such file, or one that is truncated or no safetensors file.
    """
    try:
        with cast("Any", safe_open)(path, framework="pt") as file:
            # clones: the tensors of an open file are a view of it and would change with it
            return {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}); fetch or write it again") from None
