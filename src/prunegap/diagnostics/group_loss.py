"""The mean loss of some examples as a function of a network's parameters, and its first two derivatives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call  # pyright: ignore[reportPrivateImportUsage] - torch names it so in its manual
from torch.nn import functional

from prunegap.data.augment import ImageFormat
from prunegap.data.batches import Batch, evaluation_batches
from prunegap.data.grouped import Split
from prunegap.errors import UserError
from prunegap.shapes import ParameterFloats


@dataclass(frozen=True)
class Slope:
    """What one pass over some examples shows.

    Attributes:
        accuracy: share of them that the network has right.
        loss: their mean cross-entropy, in nats.
        closeness: to the decision boundary, the mean of p (1 - p) with p the probability of the true class (Tran et
            al. 2022, Eq. 6): 0 far from it, 0.25 on it.
        gradient: of the loss by all parameters, in their order, float64.
    """

    accuracy: float
    loss: float
    closeness: float
    gradient: ParameterFloats


class GroupLoss:
    """The mean loss of the examples of a split.

    Its parameters are aliases of the network's own, so that neither their gradients nor whether they have one
    changes; buffers are copies. The caller sees to the mode that the network is in.

    Args:
        model: the network.
        split: the examples, at least one.
        image_format: how their images become inputs.
        batch_size: examples that go through the network at a time.
    """

    def __init__(self, model: nn.Module, split: Split, image_format: ImageFormat, *, batch_size: int) -> None:
        self._model, self._split, self._format, self._batch_size = model, split, image_format, batch_size
        self._parameters = {name: value.detach().requires_grad_() for name, value in model.named_parameters()}
        self._buffers = {name: value.clone() for name, value in model.named_buffers()}

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return sum(value.numel() for value in self._values)

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return self._values[0].dtype

    @property
    def device(self) -> torch.device:
        """Of the parameters."""
        return self._values[0].device

    def slope(self) -> Slope:
        """Return mean loss, its gradient, accuracy and closeness to the decision boundary.

        Raises:
            UserError: a loss or gradient that is not finite.
        """
        gradient = torch.zeros(self.size, dtype=torch.float64, device=self.device)
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        for batch in self._batches():
            losses, logits = self._losses(batch)
            gradient += _flat(torch.autograd.grad(losses.sum(), self._values, materialize_grads=True))
            true = torch.exp(-losses.detach().double())  # cross-entropy is -log p
            right = logits.detach().argmax(dim=1) == batch.labels
            sums += torch.stack([right.double().sum(), losses.detach().double().sum(), (true * (1 - true)).sum()])
        if not (sums.isfinite().all() and gradient.isfinite().all()):
            raise UserError("the model's loss or its gradient is not finite; train it again, with a smaller step")
        accuracy, loss, closeness = (sums / len(self._split)).tolist()
        return Slope(accuracy, loss, closeness, gradient / len(self._split))

    def hessian_times(self, vector: ParameterFloats) -> ParameterFloats:
        """Return the Hessian of the mean loss times a vector, by differentiating twice (Pearlmutter 1994).

        Args:
            vector: a number a parameter, in their order.

        Raises:
            UserError: a layer cannot be differentiated twice.
        """
        product = torch.zeros(self.size, dtype=torch.float64, device=self.device)
        along = [part.view_as(value) for part, value in zip(vector.split(self._sizes), self._values, strict=True)]
        for batch in self._batches():
            losses, _ = self._losses(batch)
            first = torch.autograd.grad(losses.sum(), self._values, create_graph=True, materialize_grads=True)
            product += _flat(self._second(first, along))
        return (product / len(self._split)).to(vector.dtype)

    def _second(self, first: Sequence[Tensor], along: Sequence[Tensor]) -> list[Tensor]:
        pairs = [pair for pair in zip(first, along, strict=True) if pair[0].requires_grad]
        try:
            # Not autograd.grad: that walks only where a parameter can be reached, and passes silently by a layer that
            # has no second derivative, leaving its part of the product out.
            torch.autograd.backward([gradient for gradient, _ in pairs], [part for _, part in pairs])
            return [torch.zeros_like(value) if value.grad is None else value.grad for value in self._values]
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise UserError(
                "the largest Hessian eigenvalue needs layers that can be differentiated twice, and one of this model "
                f"cannot ({str(error).splitlines()[0]}); leave it out with --no-hessian"
            ) from error
        finally:
            for value in self._values:
                value.grad = None

    @property
    def _values(self) -> list[Tensor]:
        return list(self._parameters.values())

    @property
    def _sizes(self) -> list[int]:
        return [value.numel() for value in self._values]

    def _batches(self) -> Iterator[Batch]:
        return evaluation_batches(self._split, self._format, batch_size=self._batch_size)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        logits: Tensor = functional_call(self._model, (self._parameters, self._buffers), (batch.inputs,))
        return functional.cross_entropy(logits, batch.labels, reduction="none"), logits


def _flat(values: Sequence[Tensor]) -> Tensor:
    return torch.cat([value.detach().reshape(-1) for value in values])
