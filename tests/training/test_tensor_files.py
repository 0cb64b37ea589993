"""Truth: the tensors that were written, and what safetensors itself writes of them."""

import errno
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from prunegap.errors import UserError
from prunegap.training.tensor_files import PIECE, read_tensors, write_tensors


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 4), (5,), (2, 3)])
def test_every_dtype_and_shape_of_tensor_comes_back(dtype, shape, tmp_path: Path):
    tensor = torch.randn(shape).mul(9).to(dtype)
    write_tensors(tmp_path / "a", {"x": tensor})
    loaded = read_tensors(tmp_path / "a")[0]["x"]
    assert (loaded.dtype, loaded.shape) == (dtype, shape)
    assert torch.equal(loaded, tensor)


def test_views_and_shared_storage_are_saved_by_value(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    views = {"0": base, "1": base, "2": base.t(), "3": base[1:, ::2], "4": base.expand(2, 3, 4)}
    write_tensors(tmp_path / "a", views)
    loaded = read_tensors(tmp_path / "a")[0]
    loaded["0"].zero_()
    again = read_tensors(tmp_path / "a")[0]
    assert all(torch.equal(again[name], view) for name, view in views.items())
    assert torch.equal(loaded["1"], base)


def test_loaded_tensors_do_not_change_with_the_file(tmp_path: Path):
    path = tmp_path / "a"
    write_tensors(path, {"x": torch.ones(10_000)})
    loaded = read_tensors(path)[0]["x"]
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 20_000)
        file.write(bytes(20_000))
    assert float(read_tensors(path)[0]["x"].sum()) == 5_000
    assert float(loaded.sum()) == 10_000


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(tensor: torch.Tensor) -> memoryview:
        raise OSError(errno.ENOSPC, "full")

    write_tensors(tmp_path / "a", {"x": torch.ones(1)})
    monkeypatch.setattr("prunegap.training.tensor_files._bytes", full)
    with pytest.raises(OSError, match="full"):
        write_tensors(tmp_path / "a", {"x": torch.zeros(1)})
    assert float(read_tensors(tmp_path / "a")[0]["x"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_other_users_may_read_the_file_as_the_umask_says(tmp_path: Path):
    old = os.umask(0o022)
    try:
        write_tensors(tmp_path / "a", {"x": torch.zeros(3)})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_truncated_file_is_refused_by_name(kept, tmp_path: Path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"weight": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"a\.safetensors: not a whole safetensors file") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no such file"):
        read_tensors(tmp_path / "none")


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
