"""Truth: the tensors that were saved, bit for bit, and file sizes computed from counts of bits and bytes."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from prunegap.artifacts.model import build_stored, load_model, save_model
from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.spec import ModelSpec
from prunegap.pruning.masks import MaskedParameters

SPEC = ModelSpec("small_cnn", 5, 3, 16)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def sparse_example(dtype: torch.dtype = torch.float32):
    torch.manual_seed(0)
    state = {name: value.to(dtype) for name, value in build(SPEC).state_dict().items()}
    masks = {name: torch.rand(state[name].shape) > 0.9 for name in ("conv2.weight", "linear1.weight", "linear2.bias")}
    for name, mask in masks.items():
        state[name][~mask] = 0
    return state, masks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_sparse_model_comes_back_bit_for_bit(dtype, tmp_path: Path):
    state, masks = sparse_example(dtype)
    metadata = {"epoch": 15, "layers": ["conv2"], "none": None}
    save_model(tmp_path, SPEC, state, masks, metadata)
    stored = load_model(tmp_path)
    assert stored.spec == SPEC
    assert stored.metadata == metadata
    assert set(stored.state) == set(state)
    assert all(bits(stored.state[name]) == bits(value) for name, value in state.items())
    assert all(stored.state[name].dtype == dtype for name in state)
    assert set(stored.masks) == set(masks)
    assert all(stored.masks[name].dtype == torch.bool for name in masks)
    assert all(torch.equal(stored.masks[name], mask) for name, mask in masks.items())
    rebuilt = build_stored(stored).state_dict()
    assert all(bits(rebuilt[name]) == bits(value) for name, value in state.items())


def test_kept_weights_that_are_zero_negative_zero_or_not_a_number_stay_so(tmp_path: Path):
    state, _ = sparse_example()
    state["linear2.bias"][:4] = torch.tensor([0.0, -0.0, math.nan, -math.inf])
    masks = {"linear2.bias": torch.ones(128, dtype=torch.bool)}
    save_model(tmp_path, SPEC, state, masks)
    stored = load_model(tmp_path)
    assert bits(stored.state["linear2.bias"]) == bits(state["linear2.bias"])
    assert bool(stored.masks["linear2.bias"].all())


def test_what_lies_under_a_mask_comes_back_as_zero(tmp_path: Path):
    state, masks = sparse_example()
    state["conv2.weight"] += 1
    save_model(tmp_path, SPEC, state, masks)
    expected = torch.where(masks["conv2.weight"], state["conv2.weight"], 0)
    assert torch.equal(load_model(tmp_path).state["conv2.weight"], expected)


def test_only_kept_weights_and_one_bit_an_entry_are_stored(tmp_path: Path):
    state, masks = sparse_example()
    save_model(tmp_path, SPEC, state, masks)
    kept = sum(int(masks[name].sum()) if name in masks else value.numel() for name, value in state.items())
    bytes_of_masks = sum(math.ceil(mask.numel() / 8) for mask in masks.values())
    header = 2000
    assert 0 <= (tmp_path / "weights.safetensors").stat().st_size - 4 * kept < header
    assert 0 <= (tmp_path / "masks.safetensors").stat().st_size - bytes_of_masks < header


def test_a_mask_whose_size_is_no_multiple_of_eight_and_one_that_keeps_nothing(tmp_path: Path):
    state, _ = sparse_example()
    state |= {"linear3.bias": torch.tensor([1.0, 0, 0, 0, 2]), "linear3.weight": torch.zeros(5, 128)}
    masks = {
        "linear3.bias": torch.tensor([True, False, False, False, True]),
        "linear3.weight": torch.zeros(5, 128, dtype=torch.bool),
    }
    save_model(tmp_path, SPEC, state, masks)
    stored = load_model(tmp_path)
    assert stored.state["linear3.bias"].tolist() == [1, 0, 0, 0, 2]
    assert stored.masks["linear3.bias"].tolist() == [True, False, False, False, True]
    assert not bool(stored.masks["linear3.weight"].any())
    assert stored.state["linear3.weight"].shape == (5, 128)


def test_a_dense_model_has_no_masks(tmp_path: Path):
    state, _ = sparse_example()
    save_model(tmp_path, SPEC, state)
    stored = load_model(tmp_path)
    assert (stored.masks, stored.metadata) == ({}, {})
    assert not (tmp_path / "masks.safetensors").exists()
    assert all(bits(stored.state[name]) == bits(value) for name, value in state.items())


def test_channels_last_and_transposed_tensors_come_back_by_value(tmp_path: Path):
    state, masks = sparse_example()
    state["conv2.weight"] = state["conv2.weight"].to(memory_format=torch.channels_last)
    state["linear2.weight"] = state["linear2.weight"].t().contiguous().t()
    masks["conv2.weight"] = masks["conv2.weight"].to(memory_format=torch.channels_last)
    assert not state["conv2.weight"].is_contiguous()
    save_model(tmp_path, SPEC, state, masks)
    stored = load_model(tmp_path)
    assert all(torch.equal(stored.state[name], value) for name, value in state.items())
    assert torch.equal(stored.masks["conv2.weight"], masks["conv2.weight"])


def test_batch_norm_state_and_its_counter_come_back(tmp_path: Path):
    spec = ModelSpec("cifar_resnet20", 4, 3, 16)
    model = build(spec)
    model(torch.randn(4, 3, 16, 16))
    save_model(tmp_path, spec, model.state_dict(), {"layer1.0.bn1.weight": torch.ones(16, dtype=torch.bool)})
    rebuilt = build_stored(load_model(tmp_path))
    assert int(rebuilt.state_dict()["bn1.num_batches_tracked"]) == 1
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(rebuilt.eval()(images), model.eval()(images))


@pytest.mark.parametrize(
    "mask",
    [
        {"conv9.weight": torch.ones(1, dtype=torch.bool)},
        {"linear3.bias": torch.ones(4, dtype=torch.bool)},
        {"linear3.bias": torch.ones(5)},
    ],
)
def test_a_mask_that_fits_no_tensor_is_refused(mask, tmp_path: Path):
    with pytest.raises(ValueError, match=f"mask '{next(iter(mask))}' must be a bool tensor of the shape"):
        save_model(tmp_path, SPEC, build(SPEC).state_dict(), mask)


def saved(folder: Path) -> Path:
    state, masks = sparse_example()
    save_model(folder, SPEC, state, masks)
    return folder


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "masks.safetensors"])
def test_a_missing_or_truncated_file_is_refused_by_name(name, tmp_path: Path):
    path = saved(tmp_path) / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match=name):
        load_model(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=name):
        load_model(tmp_path)


def test_masks_of_another_model_are_refused(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    saved(tmp_path / "one")
    state, masks = sparse_example()
    masks["conv2.weight"] = ~masks["conv2.weight"]
    save_model(tmp_path / "two", SPEC, state, masks)
    (tmp_path / "two" / "masks.safetensors").replace(tmp_path / "one" / "masks.safetensors")
    with pytest.raises(UserError, match=r"mask and weights of 'conv2\.weight' do not belong together"):
        load_model(tmp_path / "one")


def test_a_changed_mask_shape_is_refused(tmp_path: Path):
    path = saved(tmp_path) / "model.json"
    raw = json.loads(path.read_text())
    raw["masks"]["linear2.bias"] = [999]
    path.write_text(json.dumps(raw))
    with pytest.raises(UserError, match=r"'linear2\.bias' do not belong together"):
        load_model(tmp_path)


def test_a_spec_of_another_network_is_refused_with_the_layers(tmp_path: Path):
    state, _ = sparse_example()
    save_model(tmp_path, ModelSpec("small_cnn", 6, 3, 16), state)
    with pytest.raises(UserError, match=r"linear3\.weight \(weights \(5, 128\), model \(6, 128\)\)"):
        build_stored(load_model(tmp_path))


def test_a_weight_that_two_layers_share_comes_back_shared_and_sparse(tmp_path: Path):
    spec = ModelSpec(f"{__name__}:tied", 3, 1, 2)
    model = build(spec)
    mask = torch.rand(4, 4) > 0.5
    MaskedParameters(model, {"1.weight": mask}).apply()
    save_model(tmp_path, spec, model.state_dict(), {"1.weight": mask})
    rebuilt = build_stored(load_model(tmp_path))
    assert rebuilt.get_submodule("1").weight is rebuilt.get_submodule("2").weight
    assert torch.equal(rebuilt.get_parameter("1.weight"), model.get_parameter("1.weight"))


def tied(num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, num_classes))
    model.get_submodule("2").weight = model.get_submodule("1").get_parameter("weight")
    return model
