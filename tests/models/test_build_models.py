"""Truth: parameter counts printed in "Balancing Act" (Table 7) and published for torchvision's networks."""

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch import nn

from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.known_models import model_names
from prunegap.models.spec import ModelSpec


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "num_classes", "image_size", "total"),
    [
        ("mobilenet_v2", 5, 200, 2_230_277),
        ("resnet34", 7, 224, 21_288_263),
        ("cifar_resnet56", 100, 32, 861_620),
        ("resnet18", 1000, 64, 11_689_512),
        ("resnet50", 1000, 64, 25_557_032),
    ],
)
def test_the_number_of_parameters_is_the_published_one(name, num_classes, image_size, total):
    assert parameters(build(ModelSpec(name, num_classes, 3, image_size))) == total


def test_vgg19_has_the_published_number_of_parameters():
    with torch.device("meta"):  # 144 million parameters: shapes are enough
        model = build(ModelSpec("vgg19", 1000, 3, 48))
    assert parameters(model) == 143_667_240


@pytest.mark.parametrize(("layers", "total"), [(20, 0.27e6), (32, 0.46e6), (44, 0.66e6), (56, 0.85e6)])
def test_cifar_resnets_have_about_the_size_he_et_al_print(layers, total):
    """Their Table 6; the 1x1 shortcuts add some 3,000 parameters."""
    found = parameters(build(ModelSpec(f"cifar_resnet{layers}", 10, 3, 32)))
    assert found - 2_720 == pytest.approx(total, rel=0.02)


@pytest.mark.parametrize("name", [name for name in model_names() if name not in {"vgg19", "resnet50"}])
def test_every_network_trains_a_step_on_small_images(name):
    model = build(ModelSpec(name, 4, 3, 32))
    scores = model(torch.randn(2, 3, 32, 32))
    nn.functional.cross_entropy(scores, torch.tensor([0, 3])).backward()
    assert scores.shape == (2, 4)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.training


def test_the_same_seed_builds_the_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        states.append(build(ModelSpec("cifar_resnet20", 10, 3, 32)).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_misspelt_name_is_answered_with_the_nearest_one():
    with pytest.raises(UserError, match=r"model 'resnet_34' is not known; did you mean 'resnet34'\?"):
        build(ModelSpec("resnet_34", 7, 3, 224))


def test_torchvision_networks_refuse_other_than_three_channels():
    with pytest.raises(UserError, match="got in_channels 1; set prepare_data's channels to 3"):
        build(ModelSpec("mobilenet_v2", 5, 1, 64))


@pytest.mark.parametrize(("name", "image_size"), [("vgg19", 16), ("small_cnn", 3)])
def test_images_too_small_for_a_network_are_refused_when_it_is_built(name, image_size):
    context = torch.device("meta") if name == "vgg19" else torch.device("cpu")
    with (
        context,
        pytest.raises(UserError, match=rf"'{name}' cannot take 3 x {image_size} x {image_size} images"),
    ):
        build(ModelSpec(name, 5, 3, image_size))


OWN = """
    import torch
    from torch import nn

    class Probe(nn.Module):
        def __init__(self, classes, inputs):
            super().__init__()
            self.linear = nn.Linear(inputs, classes)
            self.norm = nn.BatchNorm1d(classes)
            self.drop = nn.Dropout()
            self.drop.eval()
            self.shift = torch.ones(classes)  # a plain tensor: the meta device cannot follow

        def forward(self, images):
            return self.norm(self.linear(images.flatten(1))) + self.shift

    def probe(num_classes, in_channels, image_size):
        return Probe(num_classes, in_channels * image_size**2)

    def double(num_classes, in_channels, image_size):
        return probe(num_classes, in_channels, image_size).double()

    def wrong_classes(num_classes, in_channels, image_size):
        return probe(num_classes + 1, in_channels, image_size)

    def pair(num_classes, in_channels, image_size):
        class Pair(nn.Module):
            def forward(self, images):
                return images, images
        return Pair()

    def nothing(num_classes, in_channels, image_size):
        return None

    def positional(classes, in_channels, image_size):
        return None

    def failing(num_classes, in_channels, image_size):
        raise ZeroDivisionError("mine")

    constant = 3
"""


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "own_networks"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text(dedent(OWN))
    (package / "broken.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("own_networks")]:
        del sys.modules[name]


def own(function: str) -> Any:
    return build(ModelSpec(f"own_networks.nets:{function}", 6, 2, 5))


@pytest.mark.usefixtures("own_package")
def test_a_builder_of_ones_own_gets_the_dimensions_and_its_model_comes_back_untouched():
    model = own("probe")
    assert model.linear.weight.shape == (6, 2 * 5 * 5)
    assert torch.equal(model.norm.running_mean, torch.zeros(6))
    assert int(model.norm.num_batches_tracked) == 0
    assert model.training
    assert model.norm.training
    assert not model.drop.training


@pytest.mark.usefixtures("own_package")
def test_a_double_precision_model_of_ones_own_is_accepted():
    assert own("double").linear.weight.dtype == torch.float64


@pytest.mark.usefixtures("own_package")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "own_networks.nets:prob",
            r"module 'own_networks.nets' has no function 'prob'; did you mean 'probe'\?",
        ),
        ("own_networks.nets:constant", "has no function 'constant'"),
        ("own_networks.nets:", "has no function ''"),
        ("own_networks.net:probe", "cannot import 'own_networks.net' .*put its folder on PYTHONPATH"),
        ("own_networks.broken:probe", "No module named 'a_package_nobody_has'"),
        (":probe", "cannot import ''"),
        ("own_networks.nets:nothing", "must return a torch.nn.Module, it returned a NoneType"),
        (
            "own_networks.nets:positional",
            "cannot be called with keywords num_classes, in_channels, image_size",
        ),
        (
            "own_networks.nets:wrong_classes",
            r"must return a tensor of shape \(n, 6\), it returned shape \(\d, 7\)",
        ),
        ("own_networks.nets:pair", r"must return a tensor of shape \(n, 6\), it returned a tuple"),
    ],
)
def test_an_unusable_builder_is_refused_in_one_line(name, message):
    with pytest.raises(UserError, match=message) as caught:
        build(ModelSpec(name, 6, 2, 5))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("own_package")
def test_what_a_builder_raises_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError, match="mine"):
        own("failing")
