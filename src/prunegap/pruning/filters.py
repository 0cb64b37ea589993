"""Filters: the weights behind one output channel, and the norm entries that go with a filter that is wholly pruned.

"Balancing Act" (Table 7) counts the batch-norm scale and shift of a wholly pruned filter as pruned: its channel
outputs exactly 0, whatever the layer's bias. We do so wherever a norm with a scale per channel is fed by the very
output of a pruned layer: batch norm (synchronised too), instance norm, group norm, and layer norm over the features of
a linear layer. Where there is none, a dead channel is constant and not always 0:

- no norm behind the layer (VGG, the small CNN): it outputs the layer's bias, which is never pruned; without a bias 0;
- a norm without scale and shift (``affine=False``): nothing can be masked, it outputs what the norm makes of a
  constant;
- something between layer and norm (an activation that makes a new tensor, a sum, a reshape): not taken for a pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunegap.models.trace import NormInput, Trace
from prunegap.models.weights import CONVOLUTIONS, TRANSPOSED, layer_module_weights

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
NORMS = (*BATCH_NORMS, *INSTANCE_NORMS, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class Filters:
    """Where the filters of a weight lie: one a row; in a transposed convolution one a column of each group.

    Attributes:
        weight: name of the parameter.
        transposed_groups: groups of a transposed convolution, whose weight is (in, out / groups, ...); 0: no such.
    """

    weight: str
    transposed_groups: int = 0

    def alive(self, mask: Tensor) -> Tensor:
        """Return, for each output channel, whether anything of its filter is kept."""
        if self.transposed_groups:
            by_group = mask.unflatten(0, (self.transposed_groups, -1)).flatten(3)
            return by_group.any(dim=3).any(dim=1).flatten()
        return mask.flatten(1).any(dim=1)


def norm_filters(model: nn.Module, trace: Trace, prunable: Sequence[str]) -> dict[str, tuple[Filters, ...]]:
    """Return the filters whose channels each norm parameter scales or shifts, by the parameter's name.

    A norm counts only if all it is ever given are the very outputs of prunable layers, channel by channel.
    """
    order = {name: position for position, name in enumerate(prunable)}
    weight_of = layer_module_weights(trace.weights)
    found: list[tuple[int, str, tuple[Filters, ...]]] = []
    for norm, given in trace.norm_inputs.items():
        feeding = [_feeding(model, norm, one, weight_of) for one in given]
        filters = tuple(dict.fromkeys(one for one in feeding if one is not None))
        if None not in feeding and all(one.weight in order for one in filters):
            found.append((min(order[one.weight] for one in filters), norm, filters))
    return {
        f"{norm}.{name}": filters
        for _, norm, filters in sorted(found, key=lambda entry: entry[0])
        for name, _ in model.get_submodule(norm).named_parameters(recurse=False)
    }


def with_norm_masks(masks: Mapping[str, Tensor], norms: Mapping[str, Sequence[Filters]]) -> dict[str, Tensor]:
    """Return the weight masks together with those of the norm entries behind wholly pruned filters.

    Args:
        masks: weight masks by parameter name (masks of norms, if any, are computed anew).
        norms: from :func:`prunegap.pruning.layers.find_layers`. A norm behind several layers (one after the other)
            is masked where the channel is dead in all.
    """
    weights = {name: mask for name, mask in masks.items() if name not in norms}
    alive = {
        name: torch.stack([one.alive(weights[one.weight]) for one in filters]).any(dim=0)
        for name, filters in norms.items()
    }
    return weights | alive


def _feeding(model: nn.Module, norm: str, given: NormInput, weight_of: Mapping[str, str]) -> Filters | None:
    """The filters of the layer a norm was fed by, if norm and layer have their channels on the same axis."""
    if given.layer is None:
        return None
    module, layer = model.get_submodule(norm), model.get_submodule(given.layer)
    channels = given.shape[_norm_axis(module, len(given.shape))]
    sizes = {parameter.shape for parameter in module.parameters(recurse=False)}
    if _norm_axis(module, len(given.shape)) != _layer_axis(layer, len(given.shape)) or sizes != {(channels,)}:
        return None
    groups = layer.groups if isinstance(layer, TRANSPOSED) else 0
    return Filters(weight_of[given.layer], groups)


def _norm_axis(norm: nn.Module, axes: int) -> int:
    return axes - 1 if isinstance(norm, nn.LayerNorm) else 1


def _layer_axis(layer: nn.Module, axes: int) -> int:
    return axes - 1 - len(layer.kernel_size) if isinstance(layer, CONVOLUTIONS) else axes - 1
