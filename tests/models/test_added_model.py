"""A network that another package adds. Truth: the layer that its builder makes."""

import pytest
from core.outside_package import installed

from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.known_models import model_code, model_names
from prunegap.models.spec import ModelSpec
from prunegap.source_code import code_digest

CODE = """
    from torch import nn

    def flat(num_classes, in_channels, image_size):
        return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, num_classes))

    def positional(classes):
        return None
"""


def test_a_model_of_another_package_is_a_model_like_ours(tmp_path):
    points = {"flat": "nets_of_theirs:flat", "wrong": "nets_of_theirs:positional", "gone": "nets_of_theirs:none"}
    with installed(tmp_path, "nets_of_theirs", CODE, {"models": points}):
        assert {"flat", "small_cnn"} < set(model_names())
        assert build(ModelSpec("flat", 5, 2, 3)).state_dict()["1.weight"].shape == (5, 18)
        assert model_code("flat") == {"the code of model flat": code_digest("nets_of_theirs")}
        with pytest.raises(UserError, match="model 'wrong' cannot be called with keywords num_classes"):
            build(ModelSpec("wrong", 5, 2, 3))
        with pytest.raises(UserError, match="model 'gone' cannot be loaded from nets_of_theirs:none"):
            build(ModelSpec("gone", 5, 2, 3))
    with pytest.raises(UserError, match="model 'flat' is not known"):
        build(ModelSpec("flat", 5, 2, 3))


def test_every_model_of_ours_is_known():
    resnets = [f"cifar_resnet{layers}" for layers in (20, 32, 44, 56)]
    others = ["mobilenet_v2", "resnet18", "resnet34", "resnet50", "small_cnn", "vgg19"]
    assert model_names() == [*resnets, *others]
    assert len({model_code(name)[f"the code of model {name}"] for name in model_names()}) == 3
