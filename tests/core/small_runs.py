"""A small training on images that can be learned, with pruning inside, for the tests of this folder."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import DenseReference, FormulationSettings
from prunegap.data.augment import Augmentation, ImageFormat
from prunegap.data.grouped import Split
from prunegap.pruning.layers import Layers, find_layers
from prunegap.pruning.magnitude import prune_layerwise
from prunegap.pruning.schedule import PruningSchedule
from prunegap.training.methods import find_method
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan
from prunegap.training.state import TrainingState
from prunegap.training.step_tracer import StepTracer

CLASSES, GROUPS, EPOCHS, BATCH = 3, 3, 6, 16
FORMAT = ImageFormat((0.4,), (0.3,))
SCHEDULE = PruningSchedule(0.7, end=3)
ANY_DEVICE = torch.device("cpu")
NO_EXAMPLES = Split(torch.zeros(0, 1, 6, 6, dtype=torch.uint8), *torch.zeros(2, 0, dtype=torch.int64))


def images(examples: int, seed: int, *, hard: bool = True) -> Split:
    """Each class lights another third of the image; group 2's labels are noise, so that it is hurt."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (examples,), generator=generator)
    pixels = torch.randint(120, (examples, 1, 6, 6), generator=generator)
    bright = torch.arange(6).view(1, 1, 1, 6) // 2 == labels.view(-1, 1, 1, 1)
    groups = torch.randint(GROUPS, (examples,), generator=generator)
    noise = torch.randint(CLASSES, (examples,), generator=generator)
    shown = torch.where((groups == 2) & hard, noise, labels)
    return Split((pixels + 100 * bright).to(torch.uint8), shown, groups)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(216, 12), nn.ReLU(), nn.Linear(12, CLASSES),
    )  # fmt: skip


def layers_of(model: nn.Module) -> Layers:
    return find_layers(model, torch.zeros(2, 1, 6, 6, device=next(model.parameters()).device))


@dataclass(frozen=True)
class SmallRun:
    method: str
    device: torch.device = ANY_DEVICE
    learning_rate: float = 0.05

    @property
    def split(self) -> Split:
        return images(72, seed=0).to(self.device)

    def plan(self) -> TrainingPlan:
        plan = TrainingPlan(
            Recipe(EPOCHS, batch_size=BATCH, learning_rate=self.learning_rate, nesterov=True, weight_decay=1e-3),
            FORMAT,
            Augmentation(flip=True, shift=1),
            seed=5,
            schedule=SCHEDULE,
            prune=prune_layerwise,
            norms=layers_of(network(0)).norms,
            group_names=("a", "b", "c"),
            method=find_method(self.method),
        )
        if find_method(self.method).keeps == "last":
            return plan
        validation = images(40, seed=1).to(self.device)
        return replace(plan, validation=validation, selection=validation, keep_best=True)

    def state(self, seed: int) -> TrainingState:
        model = network(seed).to(self.device)
        dual = self.dual()
        tracer = None if dual is None else StepTracer(EPOCHS * 5)
        return TrainingState(
            model, self.plan().recipe.optimizer(model), layers_of(model).first_masks(), dual=dual, tracer=tracer
        )

    def dual(self) -> DualState | None:
        constrained = find_method(self.method).constrained
        if constrained is None:
            return None
        counts = self.split.group_counts(GROUPS)
        reference = DenseReference(
            torch.tensor([1.0, 0.95, 0.7], device=self.device), torch.zeros(GROUPS, device=self.device), counts
        )
        settings = DualSettings(step_size=0.1, capacity=7)
        return DualState(constrained, FormulationSettings(0.01), settings, reference, ["a", "b", "c"])


def same_bits(one: Any, other: Any) -> bool:
    """Whether two nested values are equal, tensors bit for bit (NaN equals itself)."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and _bytes(one) == _bytes(other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same_bits(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same_bits, one, other))
    return type(one) is type(other) and one == other


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().numpy().tobytes()
