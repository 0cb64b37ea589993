"""Truth: the tensors that were written, and a file on disk that only a run pickle would have made."""

import pickle
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from prunegap.acquisition.read import read_weights
from prunegap.errors import UserError

STATE = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "a.bias": torch.tensor([1.0, -1.0], dtype=torch.float64),
}


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_safetensors_are_read_whatever_the_suffix(tmp_path: Path):
    for name in ("w.safetensors", "w.pt", "w"):
        save_file(STATE, tmp_path / name)
        assert same(read_weights(tmp_path / name), STATE)


@pytest.mark.parametrize("length", [0x80, 0x4B50])
def test_safetensors_are_read_where_their_first_byte_is_a_pickles_or_a_zips(length, tmp_path: Path):
    content = save({"x": torch.ones(1)})
    header = content[8 : 8 + int.from_bytes(content[:8], "little")].ljust(length)
    (tmp_path / "w.pt").write_bytes(length.to_bytes(8, "little") + header + content[-4:])
    assert read_weights(tmp_path / "w.pt")["x"].tolist() == [1]


@pytest.mark.parametrize("zipped", [True, False])
def test_both_of_torchs_formats_are_read(zipped, tmp_path: Path):
    torch.save(OrderedDict(STATE), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert same(read_weights(tmp_path / "w.pth"), STATE)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
def test_a_checkpoint_is_opened(key, tmp_path: Path):
    torch.save({"epoch": 3, key: STATE, "optimizer": {"lr": 0.1}}, tmp_path / "w.pt")
    assert same(read_weights(tmp_path / "w.pt"), STATE)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_parallel_and_compiled_training_are_dropped(prefix, tmp_path: Path):
    torch.save({"net": {prefix + name: value for name, value in STATE.items()}}, tmp_path / "w.pt")
    assert same(read_weights(tmp_path / "w.pt"), STATE)


def test_a_name_that_only_some_layers_begin_with_stays(tmp_path: Path):
    state = {"module.weight": torch.ones(1), "head.weight": torch.ones(1)}
    save_file(state, tmp_path / "w")
    assert same(read_weights(tmp_path / "w"), state)


def test_parameters_come_back_as_plain_tensors(tmp_path: Path):
    torch.save({"weight": nn.Parameter(torch.ones(2))}, tmp_path / "w.pt")
    weight = read_weights(tmp_path / "w.pt")["weight"]
    assert type(weight) is torch.Tensor
    assert not weight.requires_grad


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("way", ["zip", "legacy", "pickle", "protocol 0"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(way, tmp_path: Path):
    mark, path = tmp_path / "executed", tmp_path / "w.pt"
    evil = {"weight": Evil(mark)}
    if way in {"zip", "legacy"}:
        torch.save(evil, path, _use_new_zipfile_serialization=way == "zip")
    else:
        path.write_bytes(pickle.dumps(evil, protocol=0 if way == "protocol 0" else 2))
    with pytest.raises(UserError, match=r"w\.pt: (reading it would run code|damaged|not a whole)") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_pickled_class_is_named(tmp_path: Path):
    torch.save({"state_dict": STATE, "args": Namespace(lr=1)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"would run code \(argparse\.Namespace\), .*; save the state_dict alone"):
        read_weights(tmp_path / "w.pt")


def test_a_whole_pickled_model_is_refused(tmp_path: Path):
    torch.save(nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"would run code \(torch\.nn\.modules\.linear\.Linear\)"):
        read_weights(tmp_path / "w.pt")


def refusals(path: Path, content: bytes) -> list[str]:
    """What is said of a file cut after every byte, the shortest first; a cut below two bytes has no format."""
    said: list[str] = []
    for length in range(2, len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(UserError) as caught:
            read_weights(path)
        said.append(str(caught.value))
    assert not any("\n" in line for line in said)
    return said


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_cut_anywhere_is_called_damaged(zipped, tmp_path: Path):
    path = tmp_path / "w.pt"
    torch.save(OrderedDict(STATE), path, _use_new_zipfile_serialization=zipped)
    for line in refusals(path, path.read_bytes()):
        assert line.startswith(f"{path}: damaged, or not written by torch.save"), line


def test_a_cut_file_that_needs_code_names_the_class_or_is_damaged_and_never_names_a_part_of_a_name(tmp_path: Path):
    path = tmp_path / "w.pt"
    torch.save({"weight": torch.ones(1), "args": Namespace(lr=1)}, path, _use_new_zipfile_serialization=False)
    said = refusals(path, path.read_bytes())
    named = ["would run code (argparse.Namespace)" in line for line in said]
    assert [": damaged, or not written by torch.save" in line for line in said] == [not one for one in named]
    first = named.index(True)
    assert named == [False] * first + [True] * (len(named) - first), "the class is named once its pickle is whole"
    assert first > path.read_bytes().index(b"argparse")


@pytest.mark.parametrize("content", [b"", b"short", b"version https://git-lfs.github.com/spec/v1\n" * 3])
def test_what_is_no_weights_file_is_refused(content, tmp_path: Path):
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_weights(tmp_path / "w.pt")


def test_a_web_page_is_recognised(tmp_path: Path):
    (tmp_path / "w.pt").write_text("\n<!DOCTYPE html><html>Too large to scan</html>")
    with pytest.raises(UserError, match=r"w\.pt: is a web page, not weights"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([torch.ones(2)], "holds a list, expected tensors by name"),
        (torch.ones(2), "holds a Tensor, expected tensors by name"),
        ({}, "holds a dict, expected tensors by name"),
        ({"epoch": 3, "weights": STATE}, r"not every entry is a tensor: epoch \(int\), weights \(dict\)"),
    ],
)
def test_a_file_without_tensors_by_name_is_refused(value, message, tmp_path: Path):
    torch.save(value, tmp_path / "w.pt")
    with pytest.raises(UserError, match=message):
        read_weights(tmp_path / "w.pt")


def test_the_one_file_of_a_folder_is_read(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(UserError, match="expected one file of weights"):
        read_weights(tmp_path / "deep")
    save_file(STATE, tmp_path / "deep" / "w.safetensors")
    assert same(read_weights(tmp_path), STATE)
