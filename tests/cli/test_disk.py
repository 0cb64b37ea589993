"""Truth: real file systems: one that is full, one that is read-only, a file where a folder should be."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline.program import Program
from pipeline.workspaces import half_written, write_experiment

QUICK = ("--set", "methods=[nft]", "--set", "acquire_dense.epochs=1", "--no-tracking")
FULL = "No space left on device; free some space or choose another folder; finished artifacts are intact"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a small file system of its own for the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done: list[Path] = []

    def mount(size: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting a file system is not permitted here")
        done.append(folder)
        return folder

    yield mount
    for path in done:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize(("size", "step"), [("8k", "prepare_data"), ("1m", "acquire_dense")])
def test_a_full_disk_is_named_and_leaves_nothing_half_written(
    program: Program, mounted: Callable[[str], Path], tmp_path: Path, size: str, step: str
) -> None:
    workspace = mounted(size) / "run"
    ended = program("run", write_experiment(tmp_path), "--workspace", workspace, *QUICK)
    assert ended.code == 1
    assert ended.error_lines == [f"{step}: {workspace}/steps/{step}: {FULL}"]
    assert "Traceback" not in ended.err
    assert [path for path in half_written(workspace) if not path.endswith(".checkpoint")] == []


def test_a_disk_full_from_the_start_is_named(program: Program, mounted: Callable[[str], Path], tmp_path: Path) -> None:
    disk = mounted("4k")
    (disk / "full").write_bytes(bytes(4096))
    ended = program("run", write_experiment(tmp_path), "--workspace", disk / "run", *QUICK)
    assert (ended.code, ended.err) == (1, f"error: {disk}/run: {FULL}\n")


def test_once_there_is_space_the_same_command_goes_on_and_its_result_is_shown_from_a_read_only_disk(
    program: Program, mounted: Callable[[str], Path], tmp_path: Path
) -> None:
    disk = mounted("1m")
    command = ("run", write_experiment(tmp_path), "--workspace", disk / "run", *QUICK)
    assert program(*command).code == 1
    subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
    ended = program(*command)
    assert (ended.code, ended.steps("up to date")) == (0, ["prepare_data"])
    assert half_written(disk) == []
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert program("show", disk / "run").code == 0


def test_a_read_only_workspace_is_refused(program: Program, mounted: Callable[[str], Path], tmp_path: Path) -> None:
    disk = mounted("1m")
    (disk / "run").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    advice = "Read-only file system; choose a folder that can be written; finished artifacts are intact"
    ended = program("run", write_experiment(tmp_path), "--workspace", disk / "run", *QUICK)
    assert (ended.code, ended.err) == (1, f"error: {disk}/run/.lock: {advice}\n")
    ended = program("prepare_data", "--dataset", disk / "new")
    assert (ended.code, ended.err) == (1, f"error: {disk}/new: {advice}\n")


def test_a_workspace_that_is_a_file_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    ended = program("run", write_experiment(tmp_path), "--workspace", "taken", *QUICK)
    rule = "the workspace must be a folder, this is a file; choose another --workspace"
    assert (ended.code, ended.err) == (1, f"error: taken: {rule}\n")
    below = program("run", "experiment.yaml", "--workspace", "taken/run", *QUICK)
    assert below.code == 1
    assert below.err.startswith("error: taken/run: Not a directory; a folder is needed there")
    assert (tmp_path / "taken").read_text() == "mine"
