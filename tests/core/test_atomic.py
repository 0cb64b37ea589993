"""Files that are never half-written. Truth: what a plain ``open`` makes, and two writers at one place."""

import os
import stat
from pathlib import Path

import pytest

from prunegap.atomic import leftovers, write_atomically


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_alone_and_replaces_an_older_one(tmp_path: Path):
    path = tmp_path / "a.json"
    for text in ("one", "two"):
        before = path.read_text() if path.exists() else None
        with write_atomically(path) as beside:
            beside.write_text(text)
            assert (path.read_text() if path.exists() else None) == before
            assert (beside.parent, beside.suffix) == (tmp_path, ".json")
        assert path.read_text() == text
        assert names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(error, tmp_path: Path):
    def fail() -> None:
        with write_atomically(tmp_path / "a") as beside:
            beside.write_text("half")
            raise error

    (tmp_path / "a").write_text("old")
    with pytest.raises(error):
        fail()
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_folder_that_is_not_there_is_told_by_the_name_the_caller_knows(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as caught, write_atomically(tmp_path / "none" / "a") as beside:
        beside.write_text("x")
    assert caught.value.filename == str(tmp_path / "none" / "a")


def test_two_writers_at_one_place_never_share_a_file(tmp_path: Path):
    path = tmp_path / "a"
    with write_atomically(path) as first:
        first.write_text("the first, ")
        with write_atomically(path) as second:
            second.write_text("the second")
        assert path.read_text() == "the second"
        with first.open("a") as file:
            file.write("whole")
    assert path.read_text() == "the first, whole"
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_other_users_may_do_what_the_umask_says(mask, tmp_path: Path):
    old = os.umask(mask)
    try:
        (tmp_path / "plain").write_text("")
        with write_atomically(tmp_path / "a") as beside:
            beside.write_text("")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


def test_a_durable_file_is_confirmed_by_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch):
    done: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("confirmed"), sync(file)))
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("renamed"), replace(self, target)))
    with write_atomically(tmp_path / "a", durable=True) as beside:
        beside.write_text("x")
    assert done == ["confirmed", "renamed"]
    with write_atomically(tmp_path / "a") as beside:
        beside.write_text("x")
    assert done[2:] == ["renamed"]


def test_what_killed_writers_leave_is_known_as_theirs_and_nothing_else_is(tmp_path: Path):
    for name in ("a*.bin", "aab.bin", "a*"):
        path = tmp_path / name
        with write_atomically(path) as beside:
            beside.write_text("x")
            left = tmp_path / f"kept-{beside.name}"
            left.write_text("x")
        left.rename(tmp_path / left.name.removeprefix("kept-"))
    (own,) = leftovers(tmp_path / "a*.bin")
    assert own.name.startswith(".a*.")
    assert own.suffix == ".bin"
    assert not list(leftovers(tmp_path / "b"))
