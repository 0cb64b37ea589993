"""A checkpoint is a cache. Truth: what was saved, and a training that nobody interrupted."""

import errno
import io
import logging
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from core.small_runs import SmallRun, same_bits
from torch import nn

from prunegap.atomic import leftovers, write_atomically
from prunegap.errors import UserError
from prunegap.training.checkpoints import Checkpoint, load_checkpoint, remove_checkpoint, save_checkpoint
from prunegap.training.run import train
from prunegap.training.state import TrainingState


def there_and_back(state: Any, path: Path) -> Any:
    save_checkpoint(path, {"fingerprint": "", "state": state})
    return load_checkpoint(path)["state"]


def test_a_state_comes_back_type_for_type(tmp_path: Path):
    state: dict[Any, Any] = {
        "none": None,
        "flags": [True, False, 1, 0],
        1: {True: "a boolean key", None: "no key", 2.5: (1, (2, [3, ()]), {})},
        "1": "not the integer",
        "small": 5e-324,
        "third": 1 / 3,
        "infinity": -math.inf,
        "huge": 2**200,
        "text": 'quotes " and \\n and ü',
        "bits": torch.tensor([math.nan, -0.0, 1 / 3], dtype=torch.bfloat16),
    }
    assert same_bits(there_and_back(state | {"bits": 0}, tmp_path / "c"), state | {"bits": 0})
    bits = there_and_back(state, tmp_path / "c")["bits"]
    assert torch.equal(bits.view(torch.int16), state["bits"].view(torch.int16))


@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (8, 4, 1, 1)])
def test_channels_last_momentum_keeps_its_strides(shape, tmp_path: Path):
    momentum = torch.randn(shape).clone(memory_format=torch.channels_last)
    loaded = there_and_back({"state": {0: {"momentum_buffer": momentum}}}, tmp_path / "c")["state"][0][
        "momentum_buffer"
    ]
    assert loaded.stride() == momentum.stride()
    assert torch.equal(loaded, momentum)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.95, nesterov=True, weight_decay=1e-2),
        lambda p: torch.optim.Adam(p, lr=1e-3, betas=(0.8, 0.9)),
    ],
)
def test_an_optimizer_goes_on_to_the_same_bits(make, tmp_path: Path):
    def steps(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for step in range(3):
            optimizer.zero_grad()
            model(torch.full((2, 3), float(step + 1))).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = make(model.parameters())
    steps(model, optimizer)
    loaded = there_and_back({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c")
    assert same_bits(loaded["optimizer"], optimizer.state_dict())
    steps(model, optimizer)
    other = nn.Linear(3, 2)
    other_optimizer = make(other.parameters())
    other.load_state_dict(loaded["model"])
    other_optimizer.load_state_dict(loaded["optimizer"])
    steps(other, other_optimizer)
    assert same_bits(dict(other.state_dict()), dict(model.state_dict()))


def begun(path: Path) -> tuple[SmallRun, TrainingState]:
    """A training after two epochs, and its checkpoint ``this``."""
    run = SmallRun("ceag")
    state = run.state(seed=0)
    for _ in train(state, run.plan(), run.split, until=2):
        pass
    Checkpoint(path, "this").save(state)
    return run, state


def garbage(content: bytes) -> bytes:
    return b"garbage"


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_its_end(content: bytes) -> bytes:
    return content[:-1]


def with_a_bit_of_a_tensor_flipped(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = max(archive.infolist(), key=lambda one: one.file_size)
    place = info.header_offset + info.file_size // 2 + 100
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def of_another_kind(content: bytes) -> bytes:
    file = io.BytesIO()
    torch.save([1, 2], file)
    return file.getvalue()


def a_pickle(content: bytes) -> bytes:
    return pickle.dumps({"fingerprint": "this", "state": {}})


def empty(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    "damage", [garbage, half, without_its_end, with_a_bit_of_a_tensor_flipped, of_another_kind, a_pickle, empty]
)
def test_a_damaged_or_foreign_file_is_told_and_the_training_starts_over_and_replaces_it(damage, tmp_path: Path, caplog):
    path = tmp_path / "c"
    run, state = begun(path)
    path.write_bytes(damage(path.read_bytes()))
    fresh = run.state(seed=1)
    before = {name: value.clone() for name, value in fresh.model.state_dict().items()}
    with caplog.at_level(logging.INFO):
        assert not Checkpoint(path, "this").resume(fresh)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"{path}: a damaged checkpoint, or none (")
    assert record.getMessage().endswith("; training starts over")
    assert "\n" not in record.getMessage()
    assert fresh.epoch == 0
    assert same_bits(dict(fresh.model.state_dict()), before)
    Checkpoint(path, "this").save(state)
    assert Checkpoint(path, "this").resume(fresh)
    assert fresh.epoch == 2


def test_the_checkpoint_of_another_training_is_told_and_replaced(tmp_path: Path, caplog):
    path = tmp_path / "c"
    run, state = begun(path)
    fresh = run.state(seed=1)
    assert not Checkpoint(path, "other").resume(fresh)
    assert f"{path}: the checkpoint of another training" in caplog.text
    assert "starts over" in caplog.text
    assert fresh.epoch == 0
    Checkpoint(path, "other").save(state)
    assert Checkpoint(path, "other").resume(fresh)


def test_no_checkpoint_is_nothing_to_tell(tmp_path: Path, caplog):
    run = SmallRun("nft")
    with caplog.at_level(logging.INFO):
        assert not Checkpoint(tmp_path / "none", "this").resume(run.state(seed=0))
    assert caplog.records == []


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path):
    torch.save({"fingerprint": "this", "state": Evil(tmp_path / "mark")}, tmp_path / "c")
    with pytest.raises(UserError, match="a damaged checkpoint, or none"):
        load_checkpoint(tmp_path / "c")
    assert not (tmp_path / "mark").exists()


def test_a_full_disk_is_told_as_such_and_the_old_checkpoint_stays(tmp_path: Path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 1000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

        def fileno(self) -> int:
            raise io.UnsupportedOperation

    path = tmp_path / "c"
    save_checkpoint(path, {"fingerprint": "old", "state": None})
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *_: Full())
        with pytest.raises(OSError, match="No space left") as caught:
            save_checkpoint(path, {"fingerprint": "new", "state": torch.zeros(10_000)})
    assert caught.value.errno == errno.ENOSPC
    assert load_checkpoint(path)["fingerprint"] == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["c"]


def test_what_cannot_be_saved_is_an_error_and_leaves_the_old_checkpoint(tmp_path: Path):
    save_checkpoint(tmp_path / "c", {"fingerprint": "old", "state": None})
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_checkpoint(tmp_path / "c", {"fingerprint": "new", "state": lambda: None})
    assert load_checkpoint(tmp_path / "c")["fingerprint"] == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["c"]


def test_a_checkpoint_is_removed_with_what_killed_attempts_left_and_nothing_else(tmp_path: Path):
    path, other = tmp_path / "model.checkpoint", tmp_path / "other.checkpoint"
    for one in (path, other):
        save_checkpoint(one, {"fingerprint": "", "state": None})
    with write_atomically(path) as beside:
        beside.write_bytes(b"half")
        beside.rename(tmp_path / "kept")
        path.rename(beside)
    (tmp_path / "kept").rename(beside)
    assert list(leftovers(path)) == [beside]
    remove_checkpoint(path)
    assert [one.name for one in tmp_path.iterdir()] == ["other.checkpoint"]
    remove_checkpoint(path)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_training_on_a_gpu_goes_on_from_its_checkpoint(tmp_path: Path):
    run = SmallRun("ceag", torch.device("cuda"))
    state = run.state(seed=0)
    for _ in train(state, run.plan(), run.split, until=2):
        pass
    Checkpoint(tmp_path / "c", "this").save(state)
    resumed = run.state(seed=1)
    assert Checkpoint(tmp_path / "c", "this").resume(resumed)
    for _ in train(resumed, run.plan(), run.split, until=4):
        Checkpoint(tmp_path / "c", "this").save(resumed)
    assert resumed.tracer is not None
    assert resumed.tracer.trace(["a", "b", "c"]) is not None
    assert all(value.is_cuda for value in resumed.optimizer.state_dict()["state"][0].values())
