"""What an image meets on its way to the scores: found by one forward pass, not by the order of registration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunegap.errors import UserError
from prunegap.models.follow import Follower, tensors_in
from prunegap.models.modes import evaluation_mode
from prunegap.models.weights import WEIGHTED, LayerWeight, layer_module_weights, layer_weights
from prunegap.shapes import Inputs


@dataclass(frozen=True)
class NormInput:
    """What a norm was given once: its shape, and the layer whose very output it is (None: something else)."""

    shape: torch.Size
    layer: str | None


@dataclass(frozen=True)
class Trace:
    """What one forward pass showed.

    Attributes:
        weights: weights of convolutions, linear layers and attention, in order of registration.
        input: of those and of other parameters, the weights that meet the image before any other weight.
        classifier: the weights behind which the scores have no other weight.
        passed: the weights the scores depend on by way of the image.
        computed: weights that are computed on, in a way that may fill zeros, before they are applied.
        norm_inputs: by name of the norm.
    """

    weights: Mapping[str, LayerWeight]
    input: frozenset[str]
    classifier: frozenset[str]
    passed: frozenset[str]
    computed: frozenset[str]
    norm_inputs: Mapping[str, tuple[NormInput, ...]]


def trace_image(model: nn.Module, inputs: Inputs, norms: tuple[type[nn.Module], ...] = ()) -> Trace:
    """Forward ``inputs`` in evaluation mode and follow them; the model stays as it is.

    Args:
        model: a network that returns one tensor of scores.
        inputs: two images or more, on the model's device.
        norms: kinds of module whose inputs are noted.

    Raises:
        UserError: no weight lies between images and scores.
    """
    weights = layer_weights(model)
    follower = Follower(inputs, _labels(model, weights), frozenset(weights))
    noted: dict[str, list[NormInput]] = {}
    hooks = _watch_norms(model, weights, follower, norms, noted)
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one fused operation, in which no weight can be told from another
    try:
        with torch.no_grad(), evaluation_mode(model), follower:
            scores = model(inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
        for remove in hooks:
            remove()
    flow = follower.flow(scores) if isinstance(scores, Tensor) else None
    if flow is None or not flow.passed:
        raise UserError(
            f"model {type(model).__name__}: no layer with weights lies between its images and its scores (as torch "
            "operations; what passes through numpy or plain numbers cannot be followed)"
        )
    return Trace(
        weights,
        frozenset(follower.input) & flow.passed,
        follower.final(flow),
        flow.passed,
        frozenset(follower.computed),
        {name: tuple(given) for name, given in noted.items()},
    )


def _labels(model: nn.Module, weights: Mapping[str, LayerWeight]) -> dict[str, tuple[Tensor, ...]]:
    """Every parameter that may act as a weight by name: those of layers, and a network's own with two axes or more."""
    taken = {id(source) for weight in weights.values() for source in weight.sources}
    own = {name: (p,) for name, p in model.named_parameters() if p.dim() > 1 and id(p) not in taken}
    return {name: tuple(p for p in weight.sources if p.dim() > 1) for name, weight in weights.items()} | own


def _watch_norms(
    model: nn.Module,
    weights: Mapping[str, LayerWeight],
    follower: Follower,
    norms: tuple[type[nn.Module], ...],
    noted: dict[str, list[NormInput]],
) -> list[Callable[[], None]]:
    weight_of = layer_module_weights(weights)
    outputs: dict[int, tuple[str, Tensor]] = {}

    def produced(layer: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: Any, output: Tensor) -> None:  # noqa: ANN401 - torch's hook
            outputs[id(output)] = (layer, output)  # an id is only unique while its tensor lives

        return hook

    def given(norm: str) -> Callable[..., None]:
        def hook(_module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401
            tensor = next(tensors_in((args, kwargs)))
            layer = outputs[id(tensor)][0] if id(tensor) in outputs else None
            flow = follower.flow(tensor)
            # Something added in place leaves the tensor what it was, and its channel no longer the layer's alone.
            alone = layer is not None and flow is not None and flow.last == frozenset({weight_of[layer]})
            noted.setdefault(norm, []).append(NormInput(tensor.shape, layer if alone else None))

        return hook

    handles = [
        module.register_forward_hook(produced(name))
        if isinstance(module, WEIGHTED)
        else module.register_forward_pre_hook(given(name), with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, norms) or name in weight_of
    ]
    return [handle.remove for handle in handles]


def classifier_names(model: nn.Module, inputs: Inputs) -> tuple[str, ...]:
    """Return the names of the layers that make the scores: one, or several heads.

    Raises:
        UserError: no weight lies between images and scores.
    """
    trace = trace_image(model, inputs)
    return tuple(trace.weights[name].layers[0] if name in trace.weights else name for name in sorted(trace.classifier))
