"""Truth: the modes of every module, and the statistics of a batch norm that its author froze."""

from dataclasses import replace

import pytest
import torch
from core.small_runs import FORMAT, SmallRun, images
from torch import Tensor, nn

from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.dry_run import check_dimensions
from prunegap.models.modes import enter_training, evaluation_mode
from prunegap.models.spec import ModelSpec
from prunegap.pruning.layers import find_layers
from prunegap.training.inference import outcomes_of
from prunegap.training.run import train
from prunegap.training.state import TrainingState


class PartlyFrozen(nn.Module):
    """Its first norm is frozen in the constructor, and so is its first layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.conv2, self.norm2, self.drop = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)
        self.norm.eval()
        self.conv.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        return self.head(self.drop(torch.relu(self.norm2(self.conv2(x)))).mean((2, 3)))


def modes(model: nn.Module) -> dict[str, bool]:
    return {name: module.training for name, module in model.named_modules()}


MEASUREMENTS = {
    "outcomes": lambda model: outcomes_of(model, images(8, seed=0), FORMAT),
    "layers": lambda model: find_layers(model, torch.zeros(2, 1, 6, 6)),
    "dimensions": lambda model: check_dimensions(model, ModelSpec("mine", 3, 1, 6)),
}


@pytest.mark.parametrize("measure", MEASUREMENTS)
@pytest.mark.parametrize("whole", [True, False])
def test_a_measurement_leaves_every_module_in_its_mode(measure, whole):
    model = PartlyFrozen()
    if not whole:
        model.eval()
        model.drop.train()
    before, frozen = modes(model), [name for name, p in model.named_parameters() if not p.requires_grad]
    MEASUREMENTS[measure](model)
    assert modes(model) == before
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == frozen == ["conv.weight"]


def test_a_measurement_is_made_in_evaluation_mode_whole():
    model, seen = PartlyFrozen(), []
    model.drop.register_forward_pre_hook(lambda module, _given: seen.append(module.training))
    outcomes_of(model, images(8, seed=0), FORMAT)
    assert seen == [False]


def test_an_error_in_a_measurement_restores_the_modes_too():
    model = PartlyFrozen()
    before = modes(model)
    with pytest.raises(RuntimeError), evaluation_mode(model):
        model(torch.zeros(2, 5, 6, 6))
    assert modes(model) == before


def test_training_leaves_frozen_parts_alone_and_trains_the_others():
    torch.manual_seed(0)
    run, model = SmallRun("nft"), PartlyFrozen()
    plan = replace(run.plan(), schedule=None, norms={}, validation=images(8, seed=1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    frozen = modes(model)
    list(train(TrainingState(model, plan.recipe.optimizer(model), {}), plan, run.split, until=2))
    unchanged = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert unchanged == {"conv.weight", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    assert modes(model) == frozen


def test_a_model_handed_over_in_evaluation_mode_is_trained_whole():
    model = PartlyFrozen().eval()
    enter_training(model)
    assert all(modes(model).values())


def lazy(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(num_classes)
    )


def lazy_unused(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    model = PartlyFrozen()
    model.extra = nn.LazyLinear(2)
    return model


def test_a_lazy_network_gets_its_sizes_when_it_is_built():
    torch.manual_seed(0)
    model = build(ModelSpec(f"{__name__}:lazy", 3, 1, 8))
    assert {name: tuple(p.shape) for name, p in model.named_parameters() if p.dim() > 1} == {
        "0.weight": (4, 1, 3, 3), "2.weight": (4, 4, 3, 3), "4.weight": (3, 64),
    }  # fmt: skip
    assert all(modes(model).values())
    assert list(find_layers(model, torch.zeros(2, 1, 8, 8)).prunable) == ["2.weight"]


def test_a_lazy_layer_that_no_image_passes_is_refused():
    with pytest.raises(UserError, match=r"extra\.weight, extra\.bias stay without a size, as no image passes"):
        build(ModelSpec(f"{__name__}:lazy_unused", 3, 1, 8))
