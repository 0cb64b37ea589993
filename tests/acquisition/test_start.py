"""Weights from elsewhere and what they mean. Truth: the network they were saved from, and the names of its scores."""

import json
import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from prunegap.acquisition.fetch import fetch_weights
from prunegap.acquisition.meaning import Meaning
from prunegap.acquisition.start import WantedWeights, fresh_model, model_from
from prunegap.artifacts.model import load_model, save_model
from prunegap.data.grouped import GroupedDataset, Split
from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.spec import ModelSpec

ANIMALS = ("cat", "dog", "fox")
SPEC = ModelSpec("small_cnn", 3, 1, 8, class_names=ANIMALS, channel_mean=(0.25,), channel_std=(0.5,))
IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def network(spec: ModelSpec = SPEC) -> nn.Module:
    torch.manual_seed(11)
    return build(spec)


def dataset(class_names=ANIMALS, shape=(1, 8, 8)) -> GroupedDataset:
    split = Split(torch.zeros(6, *shape, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64), torch.zeros(6).long())
    channels = shape[0]
    return GroupedDataset({"train": split}, list(class_names), ["a"], [0.75] * channels, [0.125] * channels)


def start(source: object, data: GroupedDataset, **said: Any) -> tuple[ModelSpec, nn.Module]:
    stated = Meaning(**{key: said.pop(key) for key in ("class_names", "channel_mean", "channel_std") if key in said})
    return model_from("small_cnn", data, 3, WantedWeights(str(source), stated=stated, **said), Path("no-cache"))


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    folder = tmp_path / "dense_model"
    folder.mkdir()
    save_model(folder, SPEC, network().state_dict())
    return folder


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    save_file(network().state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_a_fresh_model_learns_what_the_data_say(caplog):
    spec, model = fresh_model("small_cnn", dataset(), 3)
    assert spec == replace(SPEC, channel_mean=(0.75,), channel_std=(0.125,))
    torch.manual_seed(3)
    assert all(map(torch.equal, model.state_dict().values(), build(SPEC).state_dict().values()))
    assert caplog.records == []


@pytest.mark.parametrize("classes", [ANIMALS, ("fox", "cat", "dog"), ("fox",)])
@pytest.mark.parametrize("where", ["folder", "file", "weights alone", "older weights beside model.json"])
def test_a_model_of_ours_brings_its_meaning_along(where, classes, ours, tmp_path, caplog):
    source = ours if where == "folder" else ours / "weights.safetensors"
    if where == "weights alone":
        source = shutil.copy(source, tmp_path / "renamed.safetensors")
    if where.startswith("older"):
        save_file(network().state_dict(), source)
    spec, model = start(source, dataset(classes))
    assert spec == SPEC
    assert torch.equal(model(IMAGES), network()(IMAGES))
    assert caplog.records == []


def test_what_is_stored_with_the_weights_is_what_is_stored_beside_them(ours):
    assert load_model(ours).spec == SPEC
    assert json.loads((ours / "model.json").read_text())["spec"] == json.loads(json.dumps(asdict(SPEC)))


@pytest.mark.parametrize("changes", [{}, {"replace_head": True}])
def test_a_model_of_ours_from_before_its_meaning_was_stored_is_as_foreign_weights(changes, ours, tmp_path, caplog):
    bare = ModelSpec("small_cnn", 3, 1, 8)
    save_model(ours, bare, network().state_dict())
    raw = json.loads((ours / "model.json").read_text())
    raw["spec"] = {key: raw["spec"][key] for key in ("name", "num_classes", "in_channels", "image_size")}
    (ours / "model.json").write_text(json.dumps(raw))
    save_file(network().state_dict(), ours / "weights.safetensors")
    spec, _ = start(ours, dataset(), **changes)
    assert spec == replace(SPEC, channel_mean=(0.75,), channel_std=(0.125,))
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat", "dog", "wolf"), r"class 'wolf' is not known to the model; valid: cat, dog, fox"),
        (("katze", "hund", "fuchs"), r"classes 'katze', 'hund', 'fuchs' are not known to the model; it knows 'cat'"),
        (("Cat", "dog", "fox"), r"class 'Cat' is not known to the model; did you mean 'cat'\?"),
        ((*ANIMALS, "wolf"), r"class 'wolf' is not known"),
    ],
)
def test_classes_a_model_of_ours_does_not_know_are_refused_by_name(classes, message, ours):
    with pytest.raises(UserError, match=message) as caught:
        start(ours, dataset(classes))
    assert str(ours) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 8, 9)])
def test_images_of_another_size_are_refused_with_both(shape, ours):
    with pytest.raises(UserError, match=f"it takes 1x8x8 images .*, the data set's are {'x'.join(map(str, shape))};"):
        start(ours, dataset(shape=shape))


@pytest.mark.parametrize("classes", [("katze", "hund", "fuchs"), ("cat", "dog", "fox", "wolf"), ("cat",)])
def test_a_replaced_head_is_of_the_datas_classes_and_the_normalisation_the_models(classes, ours, caplog):
    spec, model = start(ours, dataset(classes), replace_head=True)
    assert spec == replace(SPEC, num_classes=len(classes), class_names=classes)
    own = network().state_dict()
    torch.manual_seed(3)
    fresh = build(replace(spec)).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, (fresh if name.startswith("linear3") else own)[name])
    assert caplog.records == []


def test_a_head_of_the_same_classes_in_another_order_is_not_replaced(ours):
    spec, model = start(ours, dataset(ANIMALS[::-1]), replace_head=True)
    assert spec == SPEC
    assert torch.equal(model(IMAGES), network()(IMAGES))


def test_chosen_rows_are_the_datas_classes_under_its_names(ours):
    spec, model = start(ours, dataset(("katze", "fuchs")), head_rows=(0, 2))
    assert spec == replace(SPEC, num_classes=2, class_names=("katze", "fuchs"))
    torch.testing.assert_close(model(IMAGES), network()(IMAGES)[:, [0, 2]])
    assert start(ours, dataset(("fox", "cat")), head_rows=(2, 0))[0].class_names == ("fox", "cat")
    with pytest.raises(UserError, match="head_rows makes row 0, which is class 'cat', the data set's class 'fox'"):
        start(ours, dataset(("fox", "cat")), head_rows=(0, 2))


def test_foreign_weights_are_taken_for_the_datas_with_a_warning_for_each_thing_nobody_says(foreign, caplog):
    spec, model = start(foreign, dataset(ANIMALS[::-1]))
    assert spec == replace(SPEC, class_names=ANIMALS[::-1], channel_mean=(0.75,), channel_std=(0.125,))
    assert torch.equal(model(IMAGES), network()(IMAGES))
    classes, normalisation = caplog.records
    assert classes.levelno == normalisation.levelno == logging.WARNING
    assert "the data set's, in its order (fox, dog, cat); name them with weights_classes" in classes.getMessage()
    assert "mean [0.75] and std [0.125], the data set's" in normalisation.getMessage()


def test_what_the_user_says_of_foreign_weights_holds_without_a_warning(foreign, caplog):
    said: dict[str, Any] = {"class_names": ANIMALS, "channel_mean": (0.25,), "channel_std": (0.5,)}
    assert start(foreign, dataset(ANIMALS[::-1]), **said)[0] == SPEC
    assert caplog.records == []
    assert start(foreign, dataset(ANIMALS[::-1]), class_names=ANIMALS)[0].channel_mean == (0.75,)
    assert len(caplog.records) == 1


def test_chosen_rows_and_replaced_heads_of_foreign_weights_are_told_of_their_normalisation_alone(foreign, caplog):
    assert start(foreign, dataset(("a", "b")), head_rows=(0, 2))[0].class_names == ("a", "b")
    assert start(foreign, dataset(("a", "b")), replace_head=True)[0].class_names == ("a", "b")
    assert ["normalised" in record.getMessage() for record in caplog.records] == [True, True]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"class_names": ("cat", "dog", "fox", "wolf")}, "weights_classes names 4 classes, the weights are for 3"),
        ({"class_names": ("a", "b", "c")}, "classes 'cat', 'dog', 'fox' are not known to the model; it knows 'a'"),
        ({"channel_mean": (0.1, 0.2), "channel_std": (0.1, 0.2)}, r"weights_mean must be a number for each of .* 1 ch"),
    ],
)
def test_what_the_user_says_must_fit_the_weights_and_the_data(said, message, foreign):
    with pytest.raises(UserError, match=message):
        start(foreign, dataset(), **said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"class_names": ANIMALS[::-1]}, r"weights_classes says \['fox', 'dog', 'cat'\], the model itself \['cat'"),
        ({"channel_mean": (0.5,), "channel_std": (0.5,)}, r"weights_mean says \[0\.5\], the model itself \[0\.25\]"),
        ({"channel_mean": (0.25,), "channel_std": (1.0,)}, r"weights_std says \[1\.0\], the model itself \[0\.5\]"),
    ],
)
def test_the_user_does_not_contradict_a_model_of_ours(said, message, ours):
    with pytest.raises(UserError, match=message):
        start(ours, dataset(), **said)


def test_torchvisions_weights_come_with_their_own_normalisation(tmp_path, monkeypatch, caplog):
    spec = ModelSpec("mobilenet_v2", 5, 3, 32)
    save_file(network(spec).state_dict(), tmp_path / "w.safetensors")
    monkeypatch.setattr("prunegap.acquisition.start.fetch_weights", lambda *_, **__: tmp_path / "w.safetensors")
    source = "torchvision:MobileNet_V2_Weights.IMAGENET1K_V1"
    found, _ = model_from("mobilenet_v2", dataset("abcde", (3, 32, 32)), 0, WantedWeights(source), tmp_path)
    assert (found.channel_mean, found.channel_std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert ["which classes" in record.getMessage() for record in caplog.records] == [True]
    stated = Meaning(channel_mean=(0.5,) * 3, channel_std=(0.5,) * 3)
    found, _ = model_from(
        "mobilenet_v2", dataset("abcde", (3, 32, 32)), 0, WantedWeights(source, stated=stated), tmp_path
    )
    assert found.channel_mean == (0.5,) * 3


def test_a_file_that_is_no_weights_is_still_told_so(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="not a whole safetensors file"):
        start(tmp_path / "w.safetensors", dataset())
    assert fetch_weights(str(tmp_path / "w.safetensors"), sha256="", cache=tmp_path).name == "w.safetensors"
