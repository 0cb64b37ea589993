"""Which layers pruning may touch: found by what they do, in one traced forward pass.

Pruned are the weights of every convolution, linear layer and attention projection that an image passes on its way to
the scores, except (so that they stay dense):

- the input layers: those that meet the image before any other weight; a network with several branches has several;
- the classifier: the layers behind which the scores have no other weight; several heads are several;
- what ``keep_dense`` names;
- layers the scores do not depend on in evaluation mode (never run, or an auxiliary head): pruning them would count as
  sparsity and save nothing;
- weights that are no convolution, linear layer or attention: recurrent layers, a network's own parameters, embeddings.

A weight that takes no gradient is pruned like any other. The three input projections that ``nn.MultiheadAttention``
keeps in one tensor count as one layer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import torch
from torch import Tensor, nn

from prunegap.errors import UserError, did_you_mean
from prunegap.models.trace import Trace, trace_image
from prunegap.models.weights import LayerWeight
from prunegap.pruning.filters import NORMS, Filters, norm_filters
from prunegap.pruning.layer_roles import ROLES, why_dense
from prunegap.shapes import Inputs


@dataclass(frozen=True)
class Layers:
    """The layers of a network by what they do, and what may be pruned of them.

    Attributes:
        model: name of the network's class.
        input: layers that meet the image first.
        classifier: layers that make the scores.
        kept: further layers that ``keep_dense`` names.
        idle: layers the scores don't depend on.
        other: weights on the way that are of no kind that is pruned.
        prunable: weights that may be pruned, by parameter name, in the order the model registers them.
        norms: by name of a norm's parameter, whose filters it scales or shifts (:mod:`prunegap.pruning.filters`).
    """

    model: str
    input: tuple[str, ...]
    classifier: tuple[str, ...]
    kept: tuple[str, ...]
    idle: tuple[str, ...]
    other: tuple[str, ...]
    prunable: Mapping[str, Tensor]
    norms: Mapping[str, tuple[Filters, ...]]

    def first_masks(self, sparsity: float = 0.0) -> dict[str, Tensor]:
        """Return masks that keep every prunable weight, to prune down to ``sparsity`` from.

        Raises:
            UserError: there is nothing to prune, and ``sparsity`` is above 0.
        """
        if sparsity > 0 and not self.prunable:
            raise UserError(
                f"model {self.model} has nothing to prune to a sparsity of {sparsity:g}: {self.why_dense()}, and no "
                "other convolution or linear layer lies between them; use a deeper network, a shorter keep_dense, or "
                "sparsity 0"
            )
        return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in self.prunable.items()}

    def why_dense(self) -> str:
        """Say in words which layers stay dense and why."""
        return why_dense(self.summary())

    def summary(self) -> dict[str, list[str]]:
        """Return who stays dense and who is pruned as plain values, for a file or a report."""
        dense = {role: list(getattr(self, role)) for role in ROLES}
        return dense | {"prunable": [name.removesuffix(".weight") for name in self.prunable]}


def find_layers(model: nn.Module, inputs: Inputs, keep_dense: Sequence[str] = ()) -> Layers:
    """Find what may be pruned of a model; it stays as it is.

    Args:
        model: any network that returns one tensor of scores.
        inputs: two images or more, on the model's device.
        keep_dense: names of layers to leave dense, or of modules with all layers in them.

    Raises:
        UserError: a name without such a layer; a weight that cannot be pruned as it is (parametrised, computed on
            before it is used, or overlapping in memory with another); scores that depend on no weight.
    """
    trace = trace_image(model, inputs, NORMS)
    named = _named(trace, keep_dense)
    dense = trace.input | trace.classifier | named
    chosen = [weight for weight in trace.weights.values() if weight.name in trace.passed - dense]
    _require_plain(trace, chosen)
    _require_apart(model, [weight.name for weight in chosen])
    parameters = dict(model.named_parameters())
    prunable = {weight.name: parameters[weight.name] for weight in chosen}
    return Layers(
        type(model).__name__,
        _shown(trace, trace.input),
        _shown(trace, trace.classifier),
        _shown(trace, named - trace.input - trace.classifier),
        _shown(trace, trace.weights.keys() - trace.passed - named),
        tuple(sorted(trace.passed - trace.weights.keys() - trace.input - trace.classifier)),
        prunable,
        norm_filters(model, trace, tuple(prunable)),
    )


def _shown(trace: Trace, names: Iterable[str]) -> tuple[str, ...]:
    chosen = set(names)
    layers = [weight.shown_name for weight in trace.weights.values() if weight.name in chosen]
    return (*layers, *sorted(chosen - trace.weights.keys()))


def _named(trace: Trace, keep_dense: Sequence[str]) -> frozenset[str]:
    names: set[str] = set()
    for word in keep_dense:
        chosen = {
            weight.name
            for weight in trace.weights.values()
            if any(f"{known}.".startswith(f"{word}.") for known in (*weight.layers, weight.name))
        }
        if not word or not chosen:
            layers = {layer for weight in trace.weights.values() for layer in weight.layers}
            raise UserError(
                f"keep_dense: the model has no convolution or linear layer '{word}'{did_you_mean(word, layers)}"
            )
        names |= chosen
    return frozenset(names)


def _require_plain(trace: Trace, chosen: Sequence[LayerWeight]) -> None:
    for weight in chosen:
        if weight.parametrised or weight.name in trace.computed:
            how = "is parametrised (weight norm, spectral norm, ...)" if weight.parametrised else "is computed on"
            raise UserError(
                f"layer '{weight.shown_name}' cannot be pruned: its weight {how} before it is used, and a zero in "
                "the parameter need not be one in the network; take that off in the model's builder, or name the layer "
                "in keep_dense"
            )


def _require_apart(model: nn.Module, chosen: Sequence[str]) -> None:
    """Refuse parameters that overlap in memory; one parameter in several places is one weight and no harm."""
    sharing: dict[int, list[tuple[str, Tensor]]] = {}
    for name, parameter in model.named_parameters():
        sharing.setdefault(id(parameter.untyped_storage()), []).append((name, parameter))
    for (one, first), (other, second) in chain.from_iterable(combinations(same, 2) for same in sharing.values()):
        if _overlap(first, second) and {one, other} & set(chosen):
            raise UserError(
                f"parameters '{one}' and '{other}' share memory without being one parameter, so they cannot be masked "
                "apart; assign the parameter itself to both layers, or name both in keep_dense"
            )


def _overlap(one: Tensor, other: Tensor) -> bool:
    (start, end), (other_start, other_end) = _span(one), _span(other)
    return start < other_end and other_start < end


def _span(parameter: Tensor) -> tuple[int, int]:
    start = int(parameter.storage_offset())
    reach = sum((size - 1) * stride for size, stride in zip(parameter.shape, parameter.stride(), strict=True))
    return start, start + reach + 1 if parameter.numel() else start
