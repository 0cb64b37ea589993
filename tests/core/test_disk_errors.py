"""Truth: a real file system of 1 MB that is full, or mounted read-only (root is refused by nothing else)."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from core.small_stages import MultiplyParams, changes, contents, inputs_of, made, outputs_in, run

from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.errors import UserError


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


def refused(params: MultiplyParams, inputs, outputs, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        run(params, inputs, outputs)
    assert str(caught.value).startswith(str(outputs["product"].parent))
    assert "finished artifacts are intact" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_named_and_leaves_no_artifact(tmp_path: Path, small_disk: Path):
    outputs = outputs_in(small_disk / "results")
    refused(MultiplyParams(padding=3_000_000), inputs_of(made(tmp_path)), outputs, "No space left on device")
    assert set(contents(small_disk)) == {"results/product.checkpoint"}


def test_a_full_disk_leaves_the_old_artifacts_and_room_made_there_is_enough_to_go_on(tmp_path: Path, small_disk: Path):
    inputs, outputs = inputs_of(made(tmp_path)), outputs_in(small_disk)
    run(MultiplyParams(padding=9), inputs, outputs)
    before = contents(outputs["product"]), contents(outputs["length"])
    refused(MultiplyParams(padding=3_000_000), inputs, outputs, "No space left on device")
    assert (contents(outputs["product"]), contents(outputs["length"])) == before
    run(MultiplyParams(padding=500_000), inputs, outputs)
    assert changes(MultiplyParams(padding=500_000), inputs, outputs) == []


def test_a_read_only_folder_is_named_and_its_artifacts_still_read(tmp_path: Path, small_disk: Path):
    inputs, outputs = inputs_of(made(tmp_path)), outputs_in(small_disk)
    run(MultiplyParams(), inputs, outputs)
    before = contents(small_disk)
    why_not = mount("-o", "remount,ro", str(small_disk))
    if why_not is not None:
        pytest.skip(f"cannot remount read-only: {why_not}")
    refused(MultiplyParams(factor=3), inputs, outputs, "Read-only file system")
    assert contents(small_disk) == before
    assert changes(MultiplyParams(), inputs, outputs) == []


def test_another_error_of_the_disk_is_not_dressed_up(tmp_path: Path):
    with pytest.raises(FileNotFoundError), clear_disk_errors(tmp_path):
        (tmp_path / "absent").read_text()
