"""Truth: a real file system of 1 MB that is full, or mounted read-only (root is refused by nothing else)."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from core.small_stages import MultiplyInputs, MultiplyOutputs, MultiplyParams, contents, made, multiply, outputs_in

from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.errors import UserError
from prunegap.tracking.protocol import NullTracker


def mount(*arguments: str) -> str | None:
    """Return why mounting failed, or None."""
    if shutil.which("mount") is None:
        return "there is no mount command"
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    refused = mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk))
    if refused is not None:
        pytest.skip(f"cannot mount a file system of 1 MB: {refused}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def refused(params: MultiplyParams, inputs: MultiplyInputs, outputs: MultiplyOutputs, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        multiply(params, inputs, outputs, NullTracker())
    assert str(caught.value).startswith(str(outputs.sparse_model.parent))
    assert "finished artifacts are intact" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_named_and_leaves_no_artifact(tmp_path: Path, small_disk: Path):
    outputs = outputs_in(small_disk / "results")
    refused(MultiplyParams(padding=3_000_000), MultiplyInputs(made(tmp_path)), outputs, "No space left on device")
    assert not contents(small_disk)


def test_a_full_disk_leaves_the_old_artifacts_and_room_made_there_is_enough_to_go_on(tmp_path: Path, small_disk: Path):
    inputs, outputs = MultiplyInputs(made(tmp_path)), outputs_in(small_disk)
    multiply(MultiplyParams(padding=9), inputs, outputs, NullTracker())
    before = contents(outputs.sparse_model), contents(outputs.history)
    refused(MultiplyParams(padding=3_000_000), inputs, outputs, "No space left on device")
    assert (contents(outputs.sparse_model), contents(outputs.history)) == before
    multiply(MultiplyParams(padding=500_000), inputs, outputs, NullTracker())
    assert multiply.is_done(MultiplyParams(padding=500_000), inputs, outputs)


def test_a_read_only_folder_is_named_and_its_artifacts_still_read(tmp_path: Path, small_disk: Path):
    inputs, outputs = MultiplyInputs(made(tmp_path)), outputs_in(small_disk)
    multiply(MultiplyParams(), inputs, outputs, NullTracker())
    before = contents(small_disk)
    why_not = mount("-o", "remount,ro", str(small_disk))
    if why_not is not None:
        pytest.skip(f"cannot remount read-only: {why_not}")
    refused(MultiplyParams(factor=3), inputs, outputs, "Read-only file system")
    assert contents(small_disk) == before
    assert multiply.is_done(MultiplyParams(), inputs, outputs)


def test_another_error_of_the_disk_is_not_dressed_up(tmp_path: Path):
    with pytest.raises(FileNotFoundError), clear_disk_errors(tmp_path):
        (tmp_path / "absent").read_text()
