"""The weights of a network's convolutions, linear layers and attention, under one name each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
WEIGHTED = (*CONVOLUTIONS, nn.Linear)
ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


@dataclass(frozen=True)
class LayerWeight:
    """The weight of a layer.

    Attributes:
        name: name of its parameter, the first one where several layers share it.
        layers: names of the layers that hold it: one, or all that share it.
        sources: the parameters it is made from. Itself; or those of a parametrisation (weight norm, ...).
        parametrised: whether the layer computes it from ``sources`` at every forward pass.
    """

    name: str
    layers: tuple[str, ...]
    sources: tuple[Tensor, ...]
    parametrised: bool = False

    @property
    def shown_name(self) -> str:
        """The name in logs, errors and reports: that of the layer, or of the parameter where a layer has several."""
        return self.name.removesuffix(".weight")


def layer_weights(model: nn.Module) -> dict[str, LayerWeight]:
    """Return every weight by name, in the order the model registers its layers.

    Weights are those of convolutions (transposed ones too) and linear layers, and the input projections of
    ``nn.MultiheadAttention``, whose output projection is a linear layer. Not: biases, norms, embeddings.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    weights: dict[str, LayerWeight] = {}
    for layer, module in model.named_modules(remove_duplicate=False):
        for attribute in _attributes(module):
            own = dict(module.named_parameters(recurse=False)).get(attribute)
            full = f"{layer}.{attribute}" if layer else attribute
            name = full if own is None else names[id(own)]
            sources = _parametrisation(module, attribute) if own is None else (own,)
            if sources:
                known = weights[name].layers if name in weights else ()
                weights[name] = LayerWeight(name, (*known, layer), sources, own is None)
    return weights


def layer_module_weights(weights: Mapping[str, LayerWeight]) -> dict[str, str]:
    """Return the name of the weight by the name of each convolution or linear layer."""
    return {
        layer: weight.name
        for weight in weights.values()
        for layer in weight.layers
        if weight.name.rpartition(".")[2] not in ATTENTION
    }


def _attributes(module: nn.Module) -> tuple[str, ...]:
    if isinstance(module, WEIGHTED):
        return ("weight",)
    return ATTENTION if isinstance(module, nn.MultiheadAttention) else ()


def _parametrisation(module: nn.Module, attribute: str) -> tuple[Tensor, ...]:
    """Parameters a weight is computed from; never asked of the module, which would compute it (and step its norm)."""
    prefixes = (f"{attribute}_", f"parametrizations.{attribute}.")
    return tuple(parameter for name, parameter in _own(module) if name.startswith(prefixes))


def _own(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(recurse=False)
    inner = dict(module.named_children()).get("parametrizations")
    if inner is not None:
        for name, parameter in inner.named_parameters():
            yield f"parametrizations.{name}", parameter
