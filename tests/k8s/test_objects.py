"""The bucket's half of backup and restore: its own command in a process of its own, against a real S3 server."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from k8s.manifests import FOLDER

# What a bucket may hold and a folder may not.
KEYS = ["a", "a/b", "../outside", "/rooted", "white space", "ünï/😀", "x" * 1000, "dir/"]
Objects = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def store(s3: str) -> Iterator[tuple[Any, str]]:
    """A client and a bucket of its own."""
    client = boto3.client(
        "s3", endpoint_url=s3, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    bucket = f"kept-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=bucket)
    yield client, bucket
    client.close()


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def objects(store: tuple[Any, str], backups: Path) -> Objects:
    client, bucket = store

    def call(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        given = {
            "BACKUPS": str(backups),
            "ARTIFACT_BUCKET": bucket,
            "AWS_ENDPOINT_URL_S3": client.meta.endpoint_url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        command = [sys.executable, str(FOLDER / "maintenance/objects.py"), *words]
        return subprocess.run(command, env=os.environ | given | more, capture_output=True, text=True, check=False)

    return call


def save(objects: Objects, backups: Path, stamp: str, **more: str) -> Path:
    """A backup, under another name than that of its second."""
    (backups / "incoming").mkdir(parents=True, exist_ok=True)
    (backups / "incoming/database.dump").write_bytes(b"dump")
    done = objects("save", **more)
    assert done.returncode == 0, done.stderr
    made = (backups / "latest").resolve()
    (backups / "latest").unlink()
    made.rename(backups / stamp)
    (backups / "latest").symlink_to(stamp)
    return backups / stamp


def held(client: Any, bucket: str) -> dict[str, bytes]:
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}


def test_every_key_comes_back_with_what_it_held(store: tuple[Any, str], objects: Objects, backups: Path) -> None:
    client, bucket = store
    for number, key in enumerate(KEYS):
        client.put_object(Bucket=bucket, Key=key, Body=f"content {number}".encode())
    before = held(client, bucket)
    assert len(before) == len(KEYS)
    backup = save(objects, backups, "2001")
    assert {path.name for path in backups.parent.iterdir()} == {"backups"}
    assert backup.is_dir()
    for key in KEYS[:-1]:
        client.delete_object(Bucket=bucket, Key=key)
    client.put_object(Bucket=bucket, Key="dir/", Body=b"another")
    client.put_object(Bucket=bucket, Key="later", Body=b"later")
    done = objects("restore")
    assert done.returncode == 0, done.stderr
    assert f"{len(KEYS)} of {len(KEYS)} objects put back" in done.stdout
    assert held(client, bucket) == before | {"later": b"later"}
    assert "0 of" in objects("restore").stdout


def test_old_backups_go_and_unchanged_objects_are_there_once(
    store: tuple[Any, str], objects: Objects, backups: Path
) -> None:
    client, bucket = store
    client.put_object(Bucket=bucket, Key="same", Body=b"same")
    made: list[Path] = []
    for number in range(4):
        client.put_object(Bucket=bucket, Key="changes", Body=f"{number}".encode())
        made.append(save(objects, backups, f"200{number}", KEEP="2"))
    assert sorted(path.name for path in backups.iterdir()) == ["2002", "2003", "latest"]
    inodes = [{path.stat().st_ino for path in one.rglob("*") if path.is_file()} for one in made[2:]]
    assert len(inodes[0] & inodes[1]) == 1
    assert json.loads((made[3] / "objects.json").read_text()).keys() == {"same", "changes"}


@pytest.mark.parametrize("keep", ["0", "-3"])
def test_the_newest_backup_stays_whatever_is_asked(objects: Objects, backups: Path, keep: str) -> None:
    assert save(objects, backups, "2001", KEEP=keep).is_dir()


def test_what_cannot_be_done_is_told_in_a_line_and_changes_nothing(
    store: tuple[Any, str], objects: Objects, backups: Path
) -> None:
    client, bucket = store
    client.put_object(Bucket=bucket, Key="one", Body=b"one")
    backups.mkdir()
    for words, more, expected in (
        (("save",), {}, "the database is dumped first"),
        (("restore",), {"BACKUP": "2001"}, "2001"),
        ((), {}, "usage"),
        (("save",), {"KEEP": "many"}, "KEEP must be a number"),
    ):
        done = objects(*words, **more)
        assert done.returncode == 1
        assert expected in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert not list(backups.iterdir())
    backup = save(objects, backups, "2001")
    client.put_object(Bucket=bucket, Key="one", Body=b"another")
    next(path for path in (backup / "objects").rglob("*") if path.is_file()).write_bytes(b"0")
    done = objects("restore")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "object one is missing or damaged" in done.stderr
    assert held(client, bucket) == {"one": b"another"}
