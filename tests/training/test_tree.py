"""Truth: the tree that was saved, and a torch optimizer that goes on as if nothing had happened."""

import errno
import math
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from prunegap.errors import UserError
from prunegap.training.tree import PIECE, load_tree, read_tensors, save_tree, write_tensors


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        alike = isinstance(other, torch.Tensor) and one.dtype == other.dtype and one.shape == other.shape
        return alike and one.contiguous().view(-1).tolist() == other.contiguous().view(-1).tolist()
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return all(same(k1, k2) and same(v1, v2) for (k1, v1), (k2, v2) in pairs)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_a_tree_comes_back_type_for_type(tmp_path: Path):
    tree = {
        "none": None,
        "flags": [True, False, 1, 0],
        1: {True: "a boolean key", None: "no key", 2.5: (1, (2, [3, ()]), {})},
        "1": "not the integer",
        "tensor": {"tensor": torch.arange(3), "tuple": [1], "mapping": [], "stride": 2},
        "small": 5e-324,
        "third": 1 / 3,
        "infinity": -math.inf,
        "huge": 2**200,
        "text": 'quotes " and \n and ü',
        "state": (3, tuple(range(5)), None),
    }
    save_tree(tmp_path / "a.safetensors", tree)
    assert same(load_tree(tmp_path / "a.safetensors"), tree)


@pytest.mark.parametrize("tree", [None, 3, "text", [], (), {}, torch.tensor(2.0)])
def test_any_value_can_be_the_whole_tree(tree, tmp_path: Path):
    save_tree(tmp_path / "a", tree)
    assert same(load_tree(tmp_path / "a"), tree)


def test_not_a_number_stays_one(tmp_path: Path):
    save_tree(tmp_path / "a", [math.nan, torch.tensor(math.nan)])
    plain, tensor = load_tree(tmp_path / "a")
    assert math.isnan(plain)
    assert bool(tensor.isnan())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 4), (5,), (2, 3)])
def test_every_dtype_and_shape_of_tensor_comes_back(dtype, shape, tmp_path: Path):
    tensor = torch.randn(shape).mul(9).to(dtype)
    save_tree(tmp_path / "a", tensor)
    loaded = load_tree(tmp_path / "a")
    assert (loaded.dtype, loaded.shape) == (dtype, shape)
    assert torch.equal(loaded, tensor)


def test_views_and_shared_storage_are_saved_by_value(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    save_tree(tmp_path / "a", [base, base, base.t(), base[1:, ::2], base.expand(2, 3, 4)])
    loaded = load_tree(tmp_path / "a")
    assert same(loaded, [base, base, base.t(), base[1:, ::2], base.expand(2, 3, 4)])
    loaded[0].zero_()
    assert same(load_tree(tmp_path / "a")[0], base)
    assert same(loaded[1], base)


def test_loaded_tensors_do_not_change_with_the_file(tmp_path: Path):
    path = tmp_path / "a"
    save_tree(path, torch.ones(10_000))
    loaded = load_tree(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 20_000)
        file.write(bytes(20_000))
    assert float(load_tree(path).sum()) == 5_000
    assert float(loaded.sum()) == 10_000


def test_channels_last_tensors_keep_their_strides(tmp_path: Path):
    for shape in ((8, 3, 3, 3), (8, 4, 1, 1)):
        weight = torch.randn(shape).clone(memory_format=torch.channels_last)
        save_tree(tmp_path / "a", weight)
        loaded = load_tree(tmp_path / "a")
        assert loaded.stride() == weight.stride()
        assert torch.equal(loaded, weight)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        model(torch.full((2, 3), float(step + 1))).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.95, nesterov=True, weight_decay=1e-2),
        lambda p: torch.optim.SGD(p, lr=1e-3),
        lambda p: torch.optim.Adam(p, lr=1e-3, betas=(0.8, 0.9)),
    ],
)
def test_an_optimizer_goes_on_to_the_same_bits(make, tmp_path: Path):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = make(model.parameters())
    train(model, optimizer, 3)
    save_tree(tmp_path / "a", {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    loaded = load_tree(tmp_path / "a")
    assert same(loaded["optimizer"], optimizer.state_dict())
    train(model, optimizer, 3)
    other = nn.Linear(3, 2)
    other_optimizer = make(other.parameters())
    other.load_state_dict(loaded["model"])
    other_optimizer.load_state_dict(loaded["optimizer"])
    train(other, other_optimizer, 3)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(other.bias, model.bias)


def test_random_states_come_back(tmp_path: Path):
    generator = torch.Generator().manual_seed(3)
    torch.rand(7, generator=generator)
    save_tree(tmp_path / "a", generator.get_state())
    expected = torch.rand(5, generator=generator)
    generator.set_state(load_tree(tmp_path / "a"))
    assert torch.equal(torch.rand(5, generator=generator), expected)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), torch.Size([2])])
def test_values_that_would_change_type_are_refused(value, tmp_path: Path):
    with pytest.raises(TypeError, match=f"got {type(value).__name__}"):
        save_tree(tmp_path / "a", {"deep": [value]})
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(tensor: torch.Tensor) -> memoryview:
        raise OSError(errno.ENOSPC, "full")

    write_tensors(tmp_path / "a", {"x": torch.ones(1)})
    monkeypatch.setattr("prunegap.training.tree._bytes", full)
    with pytest.raises(OSError, match="full"):
        write_tensors(tmp_path / "a", {"x": torch.zeros(1)})
    assert float(read_tensors(tmp_path / "a")[0]["x"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_other_users_may_read_the_file_as_the_umask_says(tmp_path: Path):
    old = os.umask(0o022)
    try:
        save_tree(tmp_path / "a", torch.zeros(3))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_truncated_file_is_refused_by_name(kept, tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_tree(path, {"weight": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"a\.safetensors: not a whole safetensors file") as caught:
        load_tree(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_without_structure_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no such file"):
        load_tree(tmp_path / "none")
    write_tensors(tmp_path / "bare", {"x": torch.ones(2)})
    assert read_tensors(tmp_path / "bare")[0]["x"].tolist() == [1, 1]
    with pytest.raises(UserError, match="holds tensors but no structure"):
        load_tree(tmp_path / "bare")


AWKWARD = {
    "stride of a lone element": torch.arange(8.0)[::4][:1],
    "one column of many": torch.empty_strided((1, 3, 1, 1), (99, 1, 7, 7)).fill_(2.5),
    "channels last": torch.arange(48.0).reshape(2, 2, 3, 4).contiguous(memory_format=torch.channels_last),
    "transposed": torch.arange(6, dtype=torch.int64).reshape(2, 3).T,
    "expanded": torch.tensor([True, False]).expand(4, 2),
    "empty": torch.empty(3, 0),
    "a part": torch.arange(10, dtype=torch.bfloat16)[3:7],
    "scalar": torch.tensor(7, dtype=torch.uint8),
    "ü, ': \n": torch.zeros(1, dtype=torch.float16),
}


@pytest.mark.parametrize("metadata", [None, {"structure": '{"ü": ["\\n"]}'}])
def test_the_file_is_byte_for_byte_the_one_safetensors_writes(metadata, tmp_path: Path):
    write_tensors(tmp_path / "a", AWKWARD, metadata)
    plain = {name: value.clone(memory_format=torch.contiguous_format) for name, value in AWKWARD.items()}
    assert (tmp_path / "a").read_bytes() == save(plain, metadata)


def test_a_tensor_larger_than_a_piece_is_written_whole(tmp_path: Path):
    values = torch.arange(PIECE // 4 + 5, dtype=torch.int64).reshape(-1, 1)
    write_tensors(tmp_path / "a", {"values": values, "copy": values.T})
    back = read_tensors(tmp_path / "a")[0]
    assert torch.equal(back["values"], values)
    assert torch.equal(back["copy"], values.T)


def test_a_type_that_safetensors_does_not_know_is_refused_by_name(tmp_path: Path):
    with pytest.raises(TypeError, match=r"'phase': a safetensors file holds no torch\.complex128"):
        write_tensors(tmp_path / "a", {"phase": torch.zeros(2, dtype=torch.complex128)})
    assert list(tmp_path.iterdir()) == []
