"""Second half of a backup or a restore: the objects of the bucket, with their digests. ``objects.py save | restore``.

Environment: BACKUPS (folder of all backups), BACKUP (which to restore, default latest), KEEP (how many backups stay,
default 7), ARTIFACT_BUCKET and the AWS variables of the store.

A backup is a folder ``<time>``: database.dump, objects/ by key, objects.json (key to size and sha256). The database is
dumped before the objects are copied: what it names is there. Objects that did not change are links to the backup
before, so that they take room once.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore import exceptions
from botocore.client import BaseClient

LATEST = "latest"
Listing = dict[str, dict[str, Any]]


class CannotGoOnError(Exception):
    """Why there is no backup, or nothing restored; one line for the log."""


def objects(s3: BaseClient, bucket: str) -> Iterator[dict[str, Any]]:
    """Every object of a bucket: Key, Size, ETag."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from page.get("Contents", [])


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_of(folder: Path, key: str) -> Path:
    """Where an object lies: by the digest of its key, as a key may be no path (``a`` beside ``a/b``, ``..``)."""
    name = hashlib.sha256(key.encode()).hexdigest()
    return folder / "objects" / name[:2] / name


def save(s3: BaseClient, bucket: str, backups: Path, keep: int) -> str:
    """Copy every object to ``incoming``, and give the backup its name.

    Returns:
        What was done, in words.

    Raises:
        CannotGoOnError: the database was not dumped before.
    """
    incoming, before = backups / "incoming", max(finished(backups), default=None)
    if not (incoming / "database.dump").is_file():
        raise CannotGoOnError(f"{incoming}/database.dump is not there: the database is dumped first")
    known = listing(before) if before else {}
    saved: Listing = {}
    for one in objects(s3, bucket):
        key, target = one["Key"], file_of(incoming, one["Key"])
        target.parent.mkdir(parents=True, exist_ok=True)
        entry = known.get(key, {})
        if before and (entry.get("size"), entry.get("etag")) == (one["Size"], one["ETag"]):
            os.link(file_of(before, key), target)
            saved[key] = entry
            continue
        s3.download_file(bucket, key, str(target))
        saved[key] = {"size": one["Size"], "etag": one["ETag"], "sha256": digest(target)}
    (incoming / "objects.json").write_text(json.dumps(saved, indent=1, sort_keys=True))
    name = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())
    incoming.rename(backups / name)
    pointer = backups / "latest.new"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(name)
    pointer.rename(backups / LATEST)
    for old in sorted(finished(backups))[:-keep]:
        shutil.rmtree(old)
    return f"backup {name}: {len(saved)} objects of bucket {bucket}, {sum(o['size'] for o in saved.values())} bytes"


def restore(s3: BaseClient, bucket: str, backup: Path) -> str:
    """Put every object of a backup back that the bucket does not hold as it was; others are left alone.

    Returns:
        What was done, in words.

    Raises:
        CannotGoOnError: a file of the backup is missing or damaged.
    """
    wanted = listing(backup)
    for key, entry in wanted.items():
        path = file_of(backup, key)
        if not path.is_file() or digest(path) != entry["sha256"]:
            raise CannotGoOnError(f"{backup}: object {key} is missing or damaged ({path}); nothing was put back")
    there = {one["Key"]: (one["Size"], one["ETag"]) for one in objects(s3, bucket)}
    put = [key for key, entry in wanted.items() if there.get(key) != (entry["size"], entry["etag"])]
    for key in put:
        s3.upload_file(str(file_of(backup, key)), bucket, key)
    return f"bucket {bucket}: as in {backup}, {len(put)} of {len(wanted)} objects put back"


def listing(backup: Path) -> Listing:
    """What a backup holds."""
    return json.loads((backup / "objects.json").read_text())


def finished(backups: Path) -> list[Path]:
    """Every whole backup."""
    folders = [path.parent for path in backups.glob("*/objects.json") if path.parent.name != "incoming"]
    return [folder for folder in folders if not folder.is_symlink()]


def main() -> str:
    """Do what the command line says.

    Returns:
        Why it was not done; empty when it was.
    """
    backups, bucket = Path(os.environ["BACKUPS"]), os.environ["ARTIFACT_BUCKET"]
    s3 = boto3.client("s3")
    try:
        if sys.argv[1:] == ["save"]:
            done = save(s3, bucket, backups, max(int(os.environ.get("KEEP", "7")), 1))
        elif sys.argv[1:] == ["restore"]:
            done = restore(s3, bucket, backups / (os.environ.get("BACKUP") or LATEST))
        else:
            return "usage: objects.py save | restore"
    except (CannotGoOnError, OSError, exceptions.BotoCoreError, exceptions.ClientError) as trouble:
        return f"bucket {bucket}: {trouble}"
    sys.stdout.write(done + "\n")
    return ""


if __name__ == "__main__":
    sys.exit(main() or 0)
