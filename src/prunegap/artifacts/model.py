"""A model on disk: how to build it, its weights, and its masks; what dense and sparse model artifacts hold.

``model.json``: the spec, the shape of every mask, and metadata. ``weights.safetensors``: every tensor of the
state dict under its name, of a masked one only the entries its mask keeps (row-major, one axis); its metadata holds
the spec too, so that the weights alone still say what they mean.
``masks.safetensors`` (only where there are masks): eight entries a byte, the first in the highest bit.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunegap.artifacts.manifest import write_json
from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.spec import SPEC, ModelSpec
from prunegap.models.state import load_state
from prunegap.training.tensor_files import read_tensors, write_tensors

MODEL = "model.json"
WEIGHTS = "weights.safetensors"
MASKS = "masks.safetensors"
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class StoredModel:
    """A model as read back: full-size tensors on the CPU, zero where a mask is False.

    ``masks`` (True = kept) is keyed by parameter name and empty for a dense model.
    """

    spec: ModelSpec
    state: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    metadata: Mapping[str, Any]


def save_model(
    folder: Path,
    spec: ModelSpec,
    state: Mapping[str, Tensor],
    masks: Mapping[str, Tensor] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a model into an artifact folder.

    Args:
        folder: an existing folder, the staging folder of an artifact.
        spec: what :func:`prunegap.models.build.build` builds it from.
        state: its state dict, on any device and in any layout. What lies under a mask is not stored.
        masks: bool tensors by parameter name, True = kept.
        metadata: plain JSON values.

    Raises:
        ValueError: a mask of a parameter that is not there, or of another shape.
    """
    masks = {name: mask.detach().cpu() for name, mask in (masks or {}).items()}
    for name, mask in masks.items():
        if name not in state or state[name].shape != mask.shape or mask.dtype != torch.bool:
            raise ValueError(f"mask '{name}' must be a bool tensor of the shape of a tensor in the state")
    kept = _Computed(state, lambda name: _kept(state[name], masks.get(name)))
    write_tensors(folder / WEIGHTS, kept, {SPEC: json.dumps(asdict(spec))})
    if masks:
        write_tensors(folder / MASKS, _Computed(masks, lambda name: _pack(masks[name])))
    shapes = {name: list(mask.shape) for name, mask in masks.items()}
    write_json(folder / MODEL, {"spec": asdict(spec), "masks": shapes, "metadata": dict(metadata or {})})


class _Computed(Mapping[str, Tensor]):
    """Tensors that are computed when asked for, so that never a second model is held in memory."""

    def __init__(self, names: Collection[str], compute: Callable[[str], Tensor]) -> None:
        self._names, self._compute = names, compute

    def __getitem__(self, name: str) -> Tensor:
        return self._compute(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _kept(value: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return value
    # By numpy, and as integers of the same width: torch makes an index of eight bytes a dimension for each entry.
    plain = value.detach().cpu().view(_INTEGERS[value.element_size()]).numpy()
    return torch.from_numpy(plain[mask.numpy()]).view(value.dtype)


def load_model(folder: Path) -> StoredModel:
    """Read what :func:`save_model` wrote, the same bits wherever a mask keeps them.

    Raises:
        UserError: a file is missing or damaged, or the masks do not belong to the weights.
    """
    try:
        raw = json.loads((folder / MODEL).read_text())
        spec, shapes = ModelSpec.of(raw["spec"]), raw["masks"]
    except FileNotFoundError:
        raise UserError(f"{folder}: holds no model ({MODEL} is missing); run the stage that wrote it again") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / MODEL}: unreadable ({error}); run the stage that wrote it again") from None
    state, _ = read_tensors(folder / WEIGHTS)
    packed = read_tensors(folder / MASKS)[0] if shapes else {}
    masks: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        try:
            masks[name] = _unpack(packed[name], shape)
            state[name] = torch.zeros(shape, dtype=state[name].dtype).masked_scatter_(
                masks[name], _fits(state[name], masks[name])
            )
        except (KeyError, ValueError) as error:
            raise UserError(
                f"{folder}: mask and weights of '{name}' do not belong together ({error}); "
                "run the stage that wrote it again"
            ) from None
    return StoredModel(spec, state, masks, raw["metadata"])


def build_stored(stored: StoredModel) -> nn.Module:
    """Build the network of a stored model and load its state strictly, in the dtypes it was stored in.

    Raises:
        UserError: the network cannot be built here, or is not the one that was stored.
    """
    model = build(stored.spec)
    for name, value in chain(model.named_parameters(), model.named_buffers()):
        if name in stored.state:
            value.data = value.data.to(stored.state[name].dtype)
    load_state(model, stored.state)
    return model


def _pack(mask: Tensor) -> Tensor:
    return torch.as_tensor(np.packbits(mask.contiguous().numpy().ravel()))


def _unpack(packed: Tensor, shape: list[int]) -> Tensor:
    count = int(np.prod(shape, dtype=np.int64))
    if packed.numel() != -(-count // 8):
        raise ValueError(f"{packed.numel()} bytes hold no mask of shape {tuple(shape)}")
    return torch.as_tensor(np.unpackbits(packed.numpy(), count=count).astype(bool).reshape(shape))


def _fits(kept: Tensor, mask: Tensor) -> Tensor:
    if kept.shape != (int(mask.sum()),):
        raise ValueError(f"weights of shape {tuple(kept.shape)}, the mask keeps {int(mask.sum())}")
    return kept
