"""Objects over HTTP from moto's S3 server, which answers as Amazon's does.

Truth: the bytes that were put there.
"""

import io

import pytest
from PIL import Image
from remote.s3_server import post

from prunegap.errors import UserError
from prunegap.remote.s3 import connect, fetch, fetch_tree
from prunegap.remote.s3_errors import MissingObjectError
from prunegap.sources.registry import SourceOptions, open_source


def png(grey):
    file = io.BytesIO()
    Image.new("L", (4, 4), grey).save(file, "PNG")
    return file.getvalue()


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_object_is_copied_under_its_own_name_and_nothing_else_is_left(bucket, tmp_path):
    bucket.put_object(Key="weights/net.pt", Body=b"x" * 100_000)
    path = fetch("s3://faces/weights/net.pt", tmp_path)
    assert path.name == "net.pt"
    assert list(files_in(tmp_path).values()) == [b"x" * 100_000]


def test_a_changed_object_is_fetched_again_and_an_unchanged_one_is_not(bucket, tmp_path):
    bucket.put_object(Key="net.pt", Body=b"one")
    first = fetch("s3://faces/net.pt", tmp_path)
    written = first.stat().st_mtime_ns
    assert fetch("s3://faces/net.pt", tmp_path).stat().st_mtime_ns == written
    bucket.put_object(Key="net.pt", Body=b"two")
    assert fetch("s3://faces/net.pt", tmp_path).read_bytes() == b"two"


def test_a_prefix_is_a_folder_and_what_was_removed_from_it_is_gone(bucket, tmp_path):
    for key in ("set/a/1.png", "set/b.txt", "set2/c", "set/"):
        bucket.put_object(Key=key, Body=key.encode())
    assert files_in(fetch_tree("s3://faces/set", tmp_path)) == {
        "a/1.png": b"set/a/1.png",
        "b.txt": b"set/b.txt",
    }
    bucket.Object("set/b.txt").delete()
    assert files_in(fetch_tree("s3://faces/set/", tmp_path)) == {"a/1.png": b"set/a/1.png"}


def test_a_prefix_of_more_objects_than_one_answer_lists_is_copied_whole(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number in range(5):
        bucket.put_object(Key=f"many/{number}", Body=b"")
    assert len(bucket.meta.client.list_objects_v2(Bucket="faces")["Contents"]) == 2
    assert len(files_in(fetch_tree("s3://faces/many", tmp_path))) == 5


def test_a_stopped_copy_of_a_prefix_goes_on_where_it_stopped(bucket, tmp_path):
    for name in ("1", "2"):
        bucket.put_object(Key=f"set/{name}", Body=name.encode())
    folder = fetch_tree("s3://faces/set", tmp_path)
    (folder / "2").unlink()
    kept = (folder / "1").stat().st_mtime_ns
    assert files_in(fetch_tree("s3://faces/set", tmp_path)) == {"1": b"1", "2": b"2"}
    assert (folder / "1").stat().st_mtime_ns == kept


@pytest.mark.parametrize("key", ["set/../../escape", "set//etc/passwd"])
def test_a_key_that_would_leave_the_folder_is_refused(bucket, tmp_path, key):
    bucket.meta.client.put_object(Bucket="faces", Key=key, Body=b"")
    with pytest.raises(UserError, match="cannot be a file name"):
        fetch_tree("s3://faces/set", tmp_path)


def test_missing_objects_prefixes_and_buckets_are_told_apart(bucket, tmp_path):
    with pytest.raises(MissingObjectError, match=r"s3://faces/none: no such object in the bucket 'faces'"):
        fetch("s3://faces/none", tmp_path)
    with pytest.raises(MissingObjectError, match="s3://faces/none: no objects under this prefix"):
        fetch_tree("s3://faces/none", tmp_path)
    for get in (fetch, fetch_tree):
        with pytest.raises(UserError, match=r"no bucket 'facez' at http://127\.0\.0\.1"):
            get("s3://facez/none", tmp_path)
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "http://faces/key", "s3://faces", "s3://faces/folder/"])
def test_an_address_that_names_no_object_is_refused(bucket, tmp_path, uri):
    with pytest.raises(UserError, match="s3://bucket/key"):
        fetch(uri, tmp_path)


def test_refused_credentials_are_called_so(bucket, server, tmp_path):
    bucket.put_object(Key="net.pt", Body=b"one")
    client = connect()
    post(server, "/moto-api/reset-auth", b"0")
    try:
        for get in (fetch, fetch_tree):
            with pytest.raises(UserError, match="refused the credentials"):
                get("s3://faces/net.pt", tmp_path, client)
    finally:
        post(server, "/moto-api/reset-auth", b"inf")


def test_missing_credentials_are_called_so(bucket, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match="no credentials; set AWS_ACCESS_KEY_ID"):
        fetch("s3://faces/net.pt", tmp_path)


def test_an_endpoint_that_does_not_answer_or_makes_no_sense_is_named(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"the endpoint http://127\.0\.0\.1:1 cannot be reached"):
        fetch("s3://faces/net.pt", tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not a url")
    with pytest.raises(UserError, match="the settings for S3 are refused"):
        fetch("s3://faces/net.pt", tmp_path)


def test_a_bucket_is_part_of_the_path_for_a_server_with_a_name(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://seaweedfs:8333")
    url = connect().generate_presigned_url("get_object", Params={"Bucket": "faces", "Key": "1.png"})
    assert url.startswith("http://seaweedfs:8333/faces/1.png")


def test_folders_and_tables_are_read_from_s3(bucket, tmp_path):
    bucket.put_object(Key="utk/20_0_1_2017.png", Body=png(5))
    bucket.put_object(Key="other/2.png", Body=png(7))
    table = "image,label\nutk/20_0_1_2017.png,cat\ns3://faces/other/2.png,dog\nutk/none.png,dog\n"
    bucket.put_object(Key="table.csv", Body=table.encode())
    options = SourceOptions(cache_dir=tmp_path)
    faces = open_source("utkface", "s3://faces/utk", options)
    assert faces.columns["race"] == ["Black"]
    assert faces.load(0)[0, 0] == 5
    rows = open_source("table", "s3://faces/table.csv", options)
    assert [rows.load(row)[0, 0] for row in (0, 1)] == [5, 7]
    with pytest.raises(Exception, match="no such object"):
        rows.load(2)
