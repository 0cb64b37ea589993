"""Following an image through a network: every operation is seen as torch dispatches it.

A tensor that depends on the image carries its *flow*: the weights on its way, and the last of them. A tensor that
depends on weights alone is an *expression* of them. A weight is *applied* where an operation takes both. Flows belong
to memory, not to a tensor, so that operations in place, views, functional calls, modules used twice and attention
(which calls no module) are followed all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

IMAGE = "the image"
# Products of a weight with activations. Whatever takes a layer's plain weight counts too, known here or not.
PRODUCTS = frozenset({
    "mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "convolution", "linear", "matmul", "_trilinear",
    "mkldnn_rnn_layer", "_cudnn_rnn", "miopen_rnn", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell",
})  # fmt: skip
# Where an entry of the result is zero wherever it was zero in the weight: a masked weight stays sparse through them.
ZEROS_STAY = frozenset({
    "t", "transpose", "permute", "view", "_unsafe_view", "reshape", "slice", "select", "split", "split_with_sizes",
    "unbind", "expand", "unsqueeze", "squeeze", "alias", "detach", "clone", "_to_copy", "as_strided", "cat", "stack",
    "flip", "copy_", "mul", "div", "neg",
})  # fmt: skip


@dataclass(frozen=True)
class Flow:
    """How a tensor depends on the image.

    Attributes:
        last: what comes last on some way to here: names of weights, or :data:`IMAGE` itself.
        passed: every weight on a way to here.
    """

    last: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()

    def __or__(self, other: "Flow") -> "Flow":
        return Flow(self.last | other.last, self.passed | other.passed)


@dataclass(frozen=True)
class Expression:
    """Which weights a tensor without image is made from, and whether zeros of theirs may be filled in it."""

    weights: frozenset[str] = frozenset()
    computed: bool = False

    def __or__(self, other: "Expression") -> "Expression":
        return Expression(self.weights | other.weights, self.computed or other.computed)


class Follower(TorchDispatchMode):
    """Follows an image through the operations inside its ``with`` block (without gradients).

    Args:
        image: the tensor to follow.
        weights: for each name the parameters it stands for.
        layers: which names are weights of layers; the others count only in :data:`PRODUCTS`.

    Attributes:
        input: the weights that met the image before any other weight.
        computed: weights that were applied after a computation that may have filled zeros.
    """

    def __init__(self, image: Tensor, weights: Mapping[str, Sequence[Tensor]], layers: frozenset[str]) -> None:
        super().__init__()
        self._flows: dict[int, Flow] = {}
        self._expressions: dict[tuple[int, int, int], Expression] = {}
        self._alive: dict[int, object] = {}  # an id is only unique while its object lives
        self._layers = layers
        self._upstream: dict[str, frozenset[str]] = {}
        self.input: set[str] = set()
        self.computed: set[str] = set()
        self._flows[self._memory(image)] = Flow(frozenset({IMAGE}))
        for name, parameters in weights.items():
            for parameter in parameters:
                key = self._place(parameter)
                self._expressions[key] = self._expressions.get(key, Expression()) | Expression(frozenset({name}))

    def flow(self, tensor: Tensor) -> Flow | None:
        """Return how a tensor depends on the image; None: it doesn't."""
        return self._flows.get(self._memory(tensor))

    def final(self, flow: Flow) -> frozenset[str]:
        """Return the weights that come last on every way they are on (a residual's branch is last on one only)."""
        last = flow.last - {IMAGE}
        final = {name for name in last if not any(name in self._upstream[other] for other in flow.passed - {name})}
        return frozenset(final) or last

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Run an operation and pass on what its operands carry."""
        given = kwargs or {}
        operands = list(tensors_in((args, given)))
        flows = [flow for tensor in operands if (flow := self.flow(tensor)) is not None]
        places = [self._place(tensor) for tensor in operands]
        made = reduce(or_, (self._expressions[place] for place in places if place in self._expressions), Expression())
        result = func(*args, **given)
        operation = func._schema.name.partition("::")[2]
        targets = [*tensors_in(result), *_written(func, args, given)]
        if flows:
            flow = self._apply(operation, made, reduce(or_, flows))
            self._flows |= {self._memory(target): flow for target in targets}
        elif made.weights:
            made = Expression(made.weights, made.computed or operation not in ZEROS_STAY)
            self._expressions |= {self._place(target): made for target in targets}
        return result

    def _apply(self, operation: str, made: Expression, flow: Flow) -> Flow:
        """Return the flow behind an operation, where weights may have been applied to the flow before it."""
        product = operation in PRODUCTS
        applied = made.weights if product else made.weights & self._layers
        if not applied or (made.computed and not product):
            return flow
        for name in applied:
            self._upstream[name] = self._upstream.get(name, frozenset()) | flow.passed
        if not flow.passed:
            self.input |= applied
        if made.computed:
            self.computed |= applied
        return Flow(applied, flow.passed | applied)

    def _memory(self, tensor: Tensor) -> int:
        try:
            owner: object = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # a sparse tensor, say
            owner = tensor
        self._alive[id(owner)] = owner
        return id(owner)

    def _place(self, tensor: Tensor) -> tuple[int, int, int]:
        offset = int(tensor.storage_offset()) if tensor.layout == torch.strided else 0
        return self._memory(tensor), offset, tensor.numel()


def tensors_in(value: Any) -> Iterator[Tensor]:  # noqa: ANN401 - whatever an operation takes
    """Yield the tensors in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def _written(func: Any, args: Any, kwargs: Any) -> Iterator[Tensor]:  # noqa: ANN401
    """Yield the operands an operation writes into."""
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from tensors_in(args[position] if position < len(args) else kwargs.get(argument.name))
