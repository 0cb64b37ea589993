"""An optimizer's state in an artifact. Truth: a torch optimizer that goes on as if nothing had happened."""

from pathlib import Path

import pytest
import torch
from core.small_runs import same_bits
from torch import nn

from prunegap.artifacts.training_state import TRAINING_STATE, load_training_state, save_training_state
from prunegap.errors import UserError
from prunegap.training.tensor_files import write_tensors


def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for step in range(3):
        optimizer.zero_grad()
        model(torch.full((2, 3), float(step + 1))).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.95, nesterov=True, weight_decay=1e-2, foreach=True),
        lambda p: torch.optim.SGD(p, lr=1e-3),
        lambda p: torch.optim.Adam(p, lr=1e-3, betas=(0.8, 0.9)),
        lambda p: torch.optim.SGD([{"params": [one], "lr": 1 / (3 + n)} for n, one in enumerate(p)], momentum=0.9),
    ],
)
def test_an_optimizer_goes_on_to_the_same_bits(make, tmp_path: Path):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = make(model.parameters())
    train(model, optimizer)
    save_training_state(tmp_path, optimizer.state_dict())
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, optimizer)
    other = nn.Linear(3, 2)
    other.load_state_dict(weights)
    other_optimizer = make(other.parameters())
    other_optimizer.load_state_dict(load_training_state(tmp_path))
    train(other, other_optimizer)
    assert same_bits(dict(other.state_dict()), dict(model.state_dict()))


def test_the_settings_of_sgd_come_back_as_they_were(tmp_path: Path):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(3))], lr=0.1, momentum=0.9)
    save_training_state(tmp_path, optimizer.state_dict())
    assert load_training_state(tmp_path) == optimizer.state_dict()


@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (8, 4, 1, 1)])
def test_channels_last_momentum_keeps_its_strides_and_other_momentum_too(shape, tmp_path: Path):
    plain = torch.randn(shape)
    momenta = [plain.clone(memory_format=torch.channels_last), plain, torch.randn(3)]
    state = {number: {"momentum_buffer": momentum} for number, momentum in enumerate(momenta)}
    save_training_state(tmp_path, {"state": state, "param_groups": []})
    loaded = load_training_state(tmp_path)["state"]
    for number, momentum in enumerate(momenta):
        assert loaded[number]["momentum_buffer"].stride() == momentum.stride()
        assert torch.equal(loaded[number]["momentum_buffer"], momentum)


def test_a_missing_file_and_one_of_something_else_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no such file"):
        load_training_state(tmp_path)
    write_tensors(tmp_path / TRAINING_STATE, {"x": torch.ones(2)})
    with pytest.raises(UserError, match="holds no optimizer's state; run the stage that wrote it again"):
        load_training_state(tmp_path)
