"""The work both measurements time: random images, a pruned network, and the state of each method."""

import argparse
from dataclasses import dataclass

import torch
from torch import nn

from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import DenseReference, FormulationSettings
from prunegap.data.augment import ImageFormat
from prunegap.data.grouped import Split
from prunegap.models.build import build
from prunegap.models.spec import ModelSpec
from prunegap.pruning.filters import with_norm_masks
from prunegap.pruning.layers import find_layers
from prunegap.pruning.magnitude import prune_layerwise
from prunegap.pruning.masks import MaskedParameters
from prunegap.pruning.seen import MaskedWeights
from prunegap.training.methods import find_method
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan
from prunegap.training.state import TrainingState
from prunegap.training.step_tracer import StepTracer

CLASSES = 10
SIDE = 32
SPARSITY = 0.9
CAPACITY = 40


@dataclass(frozen=True)
class Workload:
    """What is trained on: ``examples`` random images in ``groups`` groups, in batches of ``batch_size``."""

    model: str
    groups: int
    examples: int
    batch_size: int
    device: torch.device
    channels_last: bool
    precision: str

    @property
    def autocast(self) -> torch.dtype | None:
        """Precision of forward passes, None for that of the weights."""
        return torch.bfloat16 if self.precision == "bfloat16" else None

    def split(self) -> Split:
        """Return random uint8 images with random labels and groups, on the device."""
        drawn = torch.Generator().manual_seed(1)
        shape = (self.examples, 3, SIDE, SIDE)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=drawn)
        labels = torch.randint(0, CLASSES, (self.examples,), generator=drawn)
        groups = torch.randint(0, self.groups, (self.examples,), generator=drawn)
        return Split(images, labels, groups).to(self.device)

    def plan(self, epochs: int) -> TrainingPlan:
        """Return a plan without pruning, augmentation or validation."""
        image_format = ImageFormat((0.5, 0.5, 0.5), (0.25, 0.25, 0.25), channels_last=self.channels_last)
        names = tuple(str(group) for group in range(self.groups))
        recipe = Recipe(epochs, batch_size=self.batch_size)
        return TrainingPlan(recipe, image_format, group_names=names, autocast=self.autocast)

    def network(self) -> nn.Module:
        """Return the network with its first weights, the same at every call."""
        torch.manual_seed(0)
        model = build(ModelSpec(self.model, CLASSES, 3, SIDE)).to(self.device)
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return model

    def state(self, method: str, plan: TrainingPlan) -> TrainingState:
        """Return the network pruned to 90 %, ready for its first step with ``method``."""
        model = self.network()
        layers = find_layers(model, torch.zeros(2, 3, SIDE, SIDE, device=self.device))
        weights = MaskedWeights(layers.prunable, layers.first_masks())
        masks = with_norm_masks(prune_layerwise(weights, SPARSITY), layers.norms)
        MaskedParameters(model, masks).apply()
        dual = self.dual(method)
        steps = plan.recipe.epochs * -(-self.examples // self.batch_size)
        tracer = None if dual is None else StepTracer(steps)
        return TrainingState(model.train(), plan.recipe.optimizer(model), masks, dual=dual, tracer=tracer)

    def dual(self, method: str) -> DualState | None:
        """Return the dual state of a constrained method against a made-up dense model; None for a plain one."""
        constrained = find_method(method).constrained
        if constrained is None:
            return None
        drawn = torch.Generator().manual_seed(2)
        reference = DenseReference(
            (0.8 + 0.2 * torch.rand(self.groups, generator=drawn)).to(self.device),
            torch.rand(self.groups, generator=drawn).to(self.device),
            torch.full((self.groups,), max(1, self.examples // self.groups)).to(self.device),
        )
        names = [str(group) for group in range(self.groups)]
        return DualState(constrained, FormulationSettings(0.02), DualSettings(1e-3, CAPACITY), reference, names)


def add_workload_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags both measurements share."""
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--model", default="cifar_resnet20", help="name of a network for 32x32 images")
    parser.add_argument("--examples", type=int, default=20_000, help="images of the data set")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")


def workload_of(given: argparse.Namespace, groups: int) -> Workload:
    """Return the workload the flags describe."""
    device = torch.device(given.device)
    return Workload(given.model, groups, given.examples, given.batch_size, device, given.channels_last, given.precision)
