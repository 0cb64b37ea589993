"""Packed data outside their artifact. Truth: the same data set packed into it, and the bytes on disk."""

import json
import os
import shutil
from pathlib import Path

import pytest

from prunegap.artifacts.elsewhere import ELSEWHERE, PACKED_DIR, VERIFY_PACKED
from prunegap.artifacts.manifest import check, read_manifest
from prunegap.digests import sha256_of
from prunegap.errors import UserError
from prunegap.stages.prepare_data import PrepareDataParams, prepare_data
from prunegap.tracking.protocol import NullTracker

AGAIN = "pack them again: do prepare_data again (submit --no-cache; prunegap run --from prepare_data)"
KEPT = {"manifest.json", "dataset.json", "bad_rows.csv", "row_names_train.json", "row_names_test.json"}


def pack(target: Path) -> Path:
    prepare_data.run(PrepareDataParams(image_size=4), {}, {"dataset": target}, NullTracker())
    return target


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PACKED_DIR, str(tmp_path / "claim/packed"))
    return tmp_path / "claim/packed"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Return the same data set with everything in its folder."""
    return pack(tmp_path / "here/dataset")


@pytest.fixture
def away(here: Path, claim: Path, tmp_path: Path) -> Path:
    return pack(tmp_path / "away/dataset")


def packed_file(away: Path, name: str = "train.safetensors") -> Path:
    return Path(json.loads((away / ELSEWHERE).read_text())[name]["path"])


def refusal(away: Path) -> str:
    with pytest.raises(UserError) as refused:
        check(away, "dataset")
    return str(refused.value)


def test_the_artifact_holds_path_and_digest_and_the_claim_the_bytes(here: Path, away: Path, claim: Path) -> None:
    assert {path.name for path in away.iterdir()} == KEPT | {ELSEWHERE}
    noted = json.loads((away / ELSEWHERE).read_text())
    assert set(noted) == {"train.safetensors", "test.safetensors"}
    for name, place in noted.items():
        file = Path(place["path"])
        assert file.is_absolute()
        assert (file.parent, file.name) == (claim, f"{sha256_of(here / name)}.safetensors")
        assert file.read_bytes() == (here / name).read_bytes()
    assert sorted(claim.iterdir()) == sorted(Path(place["path"]) for place in noted.values()), "and nothing else"


def test_where_the_bytes_lie_changes_no_digest_and_no_identity(here: Path, away: Path) -> None:
    there, here_read = read_manifest(away, "dataset"), read_manifest(here, "dataset")
    assert (there.digest, there.files, there.identity) == (here_read.digest, here_read.files, here_read.identity)


def test_what_is_loaded_is_what_was_packed(here: Path, away: Path) -> None:
    from prunegap.artifacts.dataset import Dataset

    check(away, "dataset")
    one, other = Dataset.load(here).data.splits, Dataset.load(away).data.splits
    for name in one:
        assert one[name].images.equal(other[name].images)
        assert one[name].groups.equal(other[name].groups)


def test_a_second_packing_finds_the_bytes_there_and_leaves_them(away: Path, tmp_path: Path) -> None:
    before = packed_file(away).stat()
    again = pack(tmp_path / "again/dataset")
    after = packed_file(again).stat()
    assert packed_file(again) == packed_file(away)
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    check(away, "dataset")


def test_a_missing_file_is_named_with_what_to_do(away: Path) -> None:
    file = packed_file(away)
    file.unlink()
    assert refusal(away) == (
        f"{file}: the packed data of {away} are not there; mount the volume they lie on, or {AGAIN}"
    )
    shutil.rmtree(file.parent)
    assert refusal(away).startswith(f"{packed_file(away, 'test.safetensors')}: the packed data of ")


@pytest.mark.parametrize("same_time", [False, True], ids=["written to", "written to and its time set back"])
def test_a_changed_file_is_named_with_both_digests(away: Path, same_time: bool) -> None:
    file, expected = packed_file(away), read_manifest(away, "dataset").files["train.safetensors"]
    before = file.stat()
    with file.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"\xa5")
    if same_time:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert refusal(away) == (
        f"{file}: the packed data of {away} were changed or damaged (sha256 is {sha256_of(file)[:12]}…, the manifest "
        f"says {expected[:12]}…); {AGAIN}"
    )


def test_a_damaged_file_is_replaced_by_the_next_packing(away: Path, tmp_path: Path) -> None:
    packed_file(away).write_bytes(b"damaged")
    again = pack(tmp_path / "again/dataset")
    check(again, "dataset")
    check(away, "dataset")


def test_data_are_read_whole_only_where_they_were_touched_or_on_demand(
    away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256_of(path)

    monkeypatch.setattr("prunegap.artifacts.elsewhere.sha256_of", counted)
    check(away, "dataset")
    assert read == []
    packed_file(away).touch()
    check(away, "dataset")
    assert read == [packed_file(away)]
    monkeypatch.setenv(VERIFY_PACKED, "1")
    check(away, "dataset")
    assert len(read) == 3


def test_a_volume_that_is_mounted_elsewhere_is_found(
    away: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prunegap.artifacts.dataset import Dataset

    moved = tmp_path / "elsewhere"
    packed_file(away).parent.rename(moved)
    assert "are not there" in refusal(away)
    monkeypatch.setenv(PACKED_DIR, str(moved))
    check(away, "dataset")
    assert set(Dataset.load(away).data.splits) == {"train", "test"}


def test_a_note_of_another_file_than_the_manifests_is_refused(away: Path) -> None:
    noted = json.loads((away / ELSEWHERE).read_text())
    noted["train.safetensors"] = noted["test.safetensors"]
    (away / ELSEWHERE).write_text(json.dumps(noted))
    assert "were changed or damaged" in refusal(away)
    (away / ELSEWHERE).write_text("{")
    assert refusal(away).startswith(f"{away / ELSEWHERE}: cannot be read (")


def test_a_packing_that_fails_leaves_nothing_on_the_claim(
    claim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(claim / "x"))

    monkeypatch.setattr("prunegap.training.tensor_files.write_tensors", full)
    with pytest.raises(UserError, match="No space left on device"):
        pack(tmp_path / "away/dataset")
    assert list(claim.iterdir()) == []
    assert list((tmp_path / "away").iterdir()) == []
