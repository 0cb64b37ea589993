"""Truth: torchvision's own residual block, the names in the public CIFAR weights, a forward pass by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock

from prunegap.models.cifar_resnet import CifarResNet, ResidualBlock
from prunegap.models.small_cnn import SmallCnn

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def names_of_a_block(prefix: str, *, shortcut: bool) -> set[str]:
    names = {f"{prefix}.conv{i}.weight" for i in (1, 2)} | {f"{prefix}.bn{i}.{name}" for i in (1, 2) for name in NORM}
    if shortcut:
        names |= {f"{prefix}.downsample.0.weight"} | {f"{prefix}.downsample.1.{name}" for name in NORM}
    return names


def test_the_state_of_resnet56_is_named_as_in_the_public_weights():
    expected = {"conv1.weight", "fc.weight", "fc.bias"} | {f"bn1.{name}" for name in NORM}
    for stage in (1, 2, 3):
        for block in range(9):
            expected |= names_of_a_block(f"layer{stage}.{block}", shortcut=stage > 1 and block == 0)
    assert set(CifarResNet((9, 9, 9), 100).state_dict()) == expected


@pytest.mark.parametrize(("in_channels", "channels", "stride"), [(16, 16, 1), (16, 32, 2), (8, 16, 1)])
def test_a_residual_block_computes_what_torchvisions_does(in_channels, channels, stride):
    torch.manual_seed(0)
    ours = ResidualBlock(in_channels, channels, stride).double()
    shortcut = None
    if stride != 1 or in_channels != channels:
        shortcut = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
    theirs = BasicBlock(in_channels, channels, stride, shortcut).double()
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight)
            nn.init.uniform_(module.bias)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    images = torch.randn(3, in_channels, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=0, atol=1e-12)


def test_each_stage_of_a_cifar_resnet_has_its_width_and_resolution():
    model = CifarResNet((1, 2, 1), 5, in_channels=4)
    first = model.layer1(model.bn1(model.conv1(torch.randn(2, 4, 32, 32))))
    second = model.layer2(first)
    assert (first.shape, second.shape) == ((2, 16, 32, 32), (2, 32, 16, 16))
    assert model.layer3(second).shape == (2, 64, 8, 8)


def test_the_classifier_of_a_cifar_resnet_sees_the_mean_over_all_pixels():
    model = CifarResNet((1, 1, 1), 3).eval()
    images = torch.randn(2, 3, 32, 32)
    features = model.layer3(model.layer2(model.layer1(model.bn1(model.conv1(images)).relu())))
    expected = features.sum(dim=(2, 3)) / 64 @ model.fc.weight.T + model.fc.bias
    torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize(("in_channels", "image_size"), [(1, 8), (3, 28), (3, 32), (3, 48), (5, 64)])
def test_small_cnn_is_two_convolutions_and_three_linear_layers_at_every_size(in_channels, image_size):
    torch.manual_seed(0)
    model = SmallCnn(7, in_channels)
    weights = list(model.parameters())
    assert [weight.dim() for weight in weights[::2]] == [4, 4, 2, 2, 2]
    images = torch.randn(2, in_channels, image_size, image_size)
    features = images
    for weight, bias in ((weights[0], weights[1]), (weights[2], weights[3])):
        features = functional.max_pool2d(functional.conv2d(features, weight, bias, padding=1).clamp(min=0), 2)
    features = functional.adaptive_avg_pool2d(features, (4, 4)).flatten(1)
    for weight, bias in ((weights[4], weights[5]), (weights[6], weights[7])):
        features = (features @ weight.T + bias).clamp(min=0)
    torch.testing.assert_close(model(images), features @ weights[8].T + weights[9])


def test_small_cnn_can_be_differentiated_twice():
    model = SmallCnn(3, 1)
    loss = functional.cross_entropy(model(torch.randn(4, 1, 16, 16)), torch.tensor([0, 1, 2, 0]))
    gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
    twice = torch.autograd.grad(norm, list(model.parameters()))
    assert any(gradient.abs().max() > 0 for gradient in twice)
