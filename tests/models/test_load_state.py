"""Truth: the state that was put in, and torch's own notion of the last layer."""

import pytest
import torch
from torch import nn

from prunegap.errors import UserError
from prunegap.models.cifar_resnet import CifarResNet
from prunegap.models.small_cnn import SmallCnn
from prunegap.models.state import load_state
from prunegap.models.torchvision_models import torchvision_model
from prunegap.models.trace import classifier_names


def test_a_state_is_copied_not_shared():
    model, state = SmallCnn(4, 1), dict(SmallCnn(4, 1).state_dict())
    load_state(model, state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    state["linear3.bias"].fill_(9)
    assert not bool((model.linear3.bias == 9).any())


def test_weights_older_than_batch_counters_load():
    model = CifarResNet((1, 1, 1), 4)
    old = {
        name: value + 1
        for name, value in CifarResNet((1, 1, 1), 4).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    load_state(model, old)
    assert torch.equal(model.state_dict()["bn1.running_mean"], torch.ones(16))
    assert int(model.state_dict()["bn1.num_batches_tracked"]) == 0


def test_an_error_names_the_first_layers_that_do_not_fit_and_changes_nothing():
    model = SmallCnn(4, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = {name: value + 1 for name, value in model.state_dict().items()}
    del state["conv1.weight"]
    state |= {f"extra{i}": torch.zeros(1) for i in range(5)}
    state["linear3.bias"] = torch.zeros(9)
    with pytest.raises(UserError) as caught:
        load_state(model, state)
    assert str(caught.value) == (
        "weights do not fit the model: missing: conv1.weight; unexpected: extra0, extra1, extra2 and 2 more; "
        "of another shape: linear3.bias (weights (9,), model (4,))"
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "expected"), [("resnet18", "fc"), ("mobilenet_v2", "classifier.1"), ("vgg19", "classifier.6")]
)
def test_the_classifier_of_torchvisions_models_is_found(name, expected):
    with torch.device("meta"):
        model = torchvision_model(name, 5, 3, 64)
        assert classifier_names(model, torch.zeros(2, 3, 32, 32)) == (expected,)
    assert model.get_submodule(expected).out_features == 5


def test_a_model_without_layers_has_no_classifier():
    with pytest.raises(UserError, match="ReLU: no layer with weights lies between its images and its scores"):
        classifier_names(nn.ReLU(), torch.zeros(2, 3, 8, 8))
