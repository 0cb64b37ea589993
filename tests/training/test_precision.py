"""Truth: what torch gives for the same numbers in the precision asked for."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from prunegap.data.augment import ImageFormat
from prunegap.data.batches import Batch
from prunegap.data.grouped import Split
from prunegap.pruning.masks import MaskedParameters
from prunegap.training.inference import outcomes_of
from prunegap.training.step import train_step


class Probe(nn.Module):
    """One linear layer that notes the type of what it returned."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3)
        self.seen: list[torch.dtype] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.layer(images.flatten(1))
        self.seen.append(scores.dtype)
        return scores


def split() -> Split:
    pixels = torch.randint(255, (7, 1, 2, 2), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return Split(pixels, torch.arange(7) % 3, torch.zeros(7, dtype=torch.int64))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_a_step_runs_forward_in_the_precision_asked_for_and_its_losses_in_single(precision: torch.dtype):
    model, data, images = Probe(), split(), ImageFormat((0.0,), (1.0,))
    batch = Batch(images.inputs(data.images), data.labels, data.groups)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    record = train_step(model, optimizer, MaskedParameters(model, {}), None, batch, autocast=precision)
    assert model.seen == [precision]
    assert record.loss.dtype == torch.float32
    assert model.layer.weight.dtype == torch.float32
    train_step(model, optimizer, MaskedParameters(model, {}), None, batch)
    assert model.seen[1] == torch.float32


def test_an_evaluation_runs_in_the_precision_asked_for():
    model = Probe()
    for precision in (torch.bfloat16, torch.float16, None):
        outcomes_of(model, split(), ImageFormat((0.0,), (1.0,)), autocast=precision)
    assert model.seen == [torch.bfloat16, torch.float16, torch.float32]


def test_an_evaluation_in_low_precision_takes_its_losses_in_single_and_one_in_double_in_double():
    model, data, images = Probe(), split(), ImageFormat((0.0,), (1.0,))
    inputs = images.inputs(data.images).flatten(1)
    low = outcomes_of(model, data, images, autocast=torch.bfloat16)
    with torch.no_grad():
        scores = functional.linear(inputs.bfloat16(), model.layer.weight.bfloat16(), model.layer.bias.bfloat16())
    assert torch.equal(low.loss, functional.cross_entropy(scores.float(), data.labels, reduction="none"))
    double = ImageFormat((0.0,), (1.0,), dtype=torch.float64)
    found = outcomes_of(model.double(), data, double)
    with torch.no_grad():
        expected = functional.cross_entropy(model(double.inputs(data.images)), data.labels, reduction="none")
    assert found.loss.dtype == torch.float64
    torch.testing.assert_close(found.loss, expected, rtol=0, atol=1e-14)
