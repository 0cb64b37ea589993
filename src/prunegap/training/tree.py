"""Nested plain values and tensors in one safetensors file: checkpoints and optimizer states, without pickle.

The tensors are the file's tensors; everything else is JSON in its metadata, where a tensor is a reference.
Types come back as they were: integer keys stay integers, tuples stay tuples, floats keep every bit.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunegap.atomic import write_atomically
from prunegap.errors import UserError

Tree: TypeAlias = "bool | int | float | str | Tensor | list[Any] | tuple[Any, ...] | Mapping[Any, Any] | None"
STRUCTURE = "structure"
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


def save_tree(path: Path, tree: Tree) -> None:
    """Write a tree to ``path``: beside it first, then renamed, so that a crash leaves the old file or none.

    Args:
        path: the one file, by custom ``*.safetensors``.
        tree: None, booleans, numbers, strings and tensors in lists, tuples and mappings, nested at will;
            keys are None, booleans, numbers or strings.

    Raises:
        TypeError: a value of another type.
    """
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_encode(tree, tensors))
    write_tensors(path, tensors, {STRUCTURE: structure})


def load_tree(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    """Read what :func:`save_tree` wrote; tensors on the CPU, mappings as dicts.

    Raises:
        UserError: no such file, a damaged one, or one that holds no tree.
    """
    tensors, metadata = read_tensors(path)
    if STRUCTURE not in metadata:
        raise UserError(f"{path}: holds tensors but no structure; it was not written as a checkpoint or training state")
    return _decode(json.loads(metadata[STRUCTURE]), tensors)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write one safetensors file, atomically; strides and shared storage are given up, values kept.

    Not by safetensors' own writers: ``save`` holds the whole file in memory, and ``save_file`` takes neither
    tensors that share storage nor those on a GPU, and makes files that only their owner can read, while the next
    stage may be another user. Here a piece of 16 MB is held at a time (or one index of the first axis, where that
    is more). The mapping is asked twice for each tensor, so that one which computes its values need keep none.

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


def _encode(value: object, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name} | _layout(value)
    if isinstance(value, list):
        return [_encode(item, tensors) for item in cast("list[object]", value)]
    if type(value) is tuple:
        return {"tuple": [_encode(item, tensors) for item in cast("tuple[object, ...]", value)]}
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {"mapping": [[_encode(key, tensors), _encode(item, tensors)] for key, item in items]}
    raise TypeError(f"a tree holds plain values and tensors, got {type(value).__name__}: {value!r:.80}")


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_decode(item, tensors) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    coded = cast("dict[str, Any]", value)
    if "tensor" in coded:
        tensor = tensors[coded["tensor"]]
        stride = coded.get("stride")
        return tensor if stride is None else torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)
    if "tuple" in coded:
        return tuple(_decode(item, tensors) for item in coded["tuple"])
    return {_decode(key, tensors): _decode(item, tensors) for key, item in coded["mapping"]}


def _layout(tensor: Tensor) -> dict[str, list[int]]:
    """Keep the strides of channels-last tensors: momentum laid out unlike its weight slows every step."""
    plain = torch.empty(tensor.shape, device="meta").stride()
    channels_last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return {"stride": list(tensor.stride())} if channels_last and tensor.stride() != plain else {}
