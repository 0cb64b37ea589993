"""What a location holds. Truth: what was put there, ``os.stat``, and the ETags a real S3 server gives."""

import hashlib
import os
from pathlib import Path

import pytest
from remote.s3_server import post

from prunegap.errors import UserError
from prunegap.remote.listing import Entry, listing


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def etag(text: str) -> str:
    return f'"{hashlib.md5(text.encode()).hexdigest()}"'


def test_a_folder_is_listed_with_its_folders_and_a_file_alone(tmp_path: Path):
    put(tmp_path, "b.txt", "a/deep/1.png", "a-b", ".hidden")
    os.utime(tmp_path / "b.txt", ns=(5, 1_234_567_890_123_456_789))
    entries = listing(str(tmp_path))
    assert [entry.path for entry in entries] == [".hidden", "a-b", "a/deep/1.png", "b.txt"]
    for entry in entries:
        status = (tmp_path / entry.path).stat()
        assert (entry.size, entry.stamp) == (len(entry.path), str(status.st_mtime_ns))
    assert listing(f"{tmp_path}/b.txt") == (Entry("b.txt", 5, "1234567890123456789"),)


def test_every_change_changes_the_listing_and_nothing_else_does(tmp_path: Path):
    put(tmp_path, "a", "b/c")
    before = listing(str(tmp_path))
    assert listing(str(tmp_path)) == before
    seen = {before}
    (tmp_path / "a").write_text("longer")
    seen.add(listing(str(tmp_path)))
    os.utime(tmp_path / "b" / "c", ns=(0, 1))
    seen.add(listing(str(tmp_path)))
    (tmp_path / "b" / "c").rename(tmp_path / "b" / "d")
    seen.add(listing(str(tmp_path)))
    put(tmp_path, "e")
    seen.add(listing(str(tmp_path)))
    (tmp_path / "a").unlink()
    seen.add(listing(str(tmp_path)))
    assert len(seen) == 6


def test_links_are_followed_as_readers_follow_them_but_not_in_circles(tmp_path: Path):
    put(tmp_path, "elsewhere/deep/1.png", "here/2.png")
    here = tmp_path / "here"
    (here / "linked").symlink_to(tmp_path / "elsewhere")
    (here / "file").symlink_to(tmp_path / "elsewhere" / "deep" / "1.png")
    (here / "circle").symlink_to(here)
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "here")
    (here / "nowhere").symlink_to(tmp_path / "none")
    entries = {entry.path: entry for entry in listing(str(here))}
    assert sorted(entries) == ["2.png", "file", "linked/deep/1.png", "nowhere"]
    assert entries["file"].size == len("elsewhere/deep/1.png")


def test_a_user_s_home_is_understood_and_nothing_at_a_location_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path, "faces/1.png")
    assert [entry.path for entry in listing("~/faces")] == ["1.png"]
    (tmp_path / "empty").mkdir()
    assert listing(str(tmp_path / "empty")) == ()
    with pytest.raises(UserError, match=f"{tmp_path}/none: no such file or folder"):
        listing(f"{tmp_path}/none")
    with pytest.raises(UserError, match="needs a location"):
        listing("")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(UserError, match="closed: cannot be read; change its permissions"):
        listing(str(tmp_path))


def test_objects_under_a_prefix_are_listed_with_their_etags(bucket):
    for key in ("set/b.txt", "set/a/1.png", "set/", "set2/c"):
        bucket.put_object(Key=key, Body=key.encode())
    entries = (Entry("a/1.png", 11, etag("set/a/1.png")), Entry("b.txt", 9, etag("set/b.txt")))
    assert listing("s3://faces/set") == listing("s3://faces/set/") == entries
    assert [entry.path for entry in listing("s3://faces")] == ["set/a/1.png", "set/b.txt", "set2/c"]


def test_an_object_is_listed_alone_and_with_what_lies_under_its_name(bucket):
    bucket.put_object(Key="data/table.csv", Body=b"a,b")
    bucket.put_object(Key="data/table.csv.old", Body=b"old")
    assert listing("s3://faces/data/table.csv") == (Entry("table.csv", 3, etag("a,b")),)
    bucket.put_object(Key="data/table.csv/part", Body=b"more")
    assert [entry.path for entry in listing("s3://faces/data/table.csv")] == ["part", "table.csv"]
    bucket.put_object(Key="data/table.csv", Body=b"c,d")
    assert listing("s3://faces/data/table.csv")[1].stamp == etag("c,d")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://faces/none", "s3://faces/none: no such object in the bucket 'faces'"),
        ("s3://faces/none/", "s3://faces/none/: no objects under this prefix"),
        ("s3://faces", "s3://faces: no objects under this prefix"),
        ("s3://facez/none", "no bucket 'facez' at http"),
        ("s3://", "expected s3://bucket/key"),
    ],
)
def test_nothing_in_a_bucket_is_refused(bucket, uri, message):
    with pytest.raises(UserError, match=message):
        listing(uri)


def test_refused_credentials_are_called_so(bucket, server):
    post(server, "/moto-api/reset-auth", b"0")
    try:
        with pytest.raises(UserError, match="refused the credentials"):
            listing("s3://faces/none")
    finally:
        post(server, "/moto-api/reset-auth", b"inf")
