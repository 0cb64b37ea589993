"""Objects and prefixes of S3 (any server that speaks it) as local files.

The endpoint, the credentials and the number of attempts are those boto3 finds: ``AWS_ENDPOINT_URL_S3`` or
``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ``AWS_MAX_ATTEMPTS`` (3 unless set) and so on. A copy lies under a name
made from the object's ETag, so that a changed object is fetched again and an unchanged one is not.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from prunegap.atomic import write_atomically
from prunegap.errors import UserError
from prunegap.remote.s3_errors import MissingObjectError, clear_errors, error_code, one_line

SECONDS_OF_SILENCE = 60
_THREADS = 16


class StoredObject(NamedTuple):
    """One object as a bucket lists it: its whole key, its size in bytes, its ETag."""

    key: str
    size: int
    etag: str


def is_s3(location: str) -> bool:
    """Tell whether a location is an ``s3://`` address."""
    return location.startswith("s3://")


def connect() -> Any:  # noqa: ANN401
    """Return a boto3 client for S3, safe to share between threads.

    Raises:
        UserError: an endpoint or a profile in the environment that boto3 does not accept.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=10,
        read_timeout=SECONDS_OF_SILENCE,
        retries={"mode": "standard"},
        max_pool_connections=_THREADS,
    )
    try:
        # A server of one's own needs no region, boto3 does.
        session = boto3.Session()
        region = session.region_name or os.environ.get("AWS_REGION", "us-east-1")
        return session.client("s3", config=config, region_name=region)
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"the settings for S3 are refused: {one_line(error)}; check the AWS_* variables") from None


def fetch(uri: str, cache_dir: Path, client: Any = None) -> Path:  # noqa: ANN401
    """Return a local copy of one object, named as the object is.

    Args:
        uri: ``s3://bucket/key``.
        cache_dir: where copies are kept.
        client: from :func:`connect`, to use one for many objects.

    Raises:
        MissingObjectError: there is no such object.
        UserError: no such bucket, refused credentials, an unreachable endpoint.
    """
    bucket, key = split_uri(uri)
    client = client or connect()
    one = head(uri, client)
    path = cache_dir / "s3" / _digest(bucket, key, one.etag) / PurePosixPath(key).name
    with clear_errors(uri, client):
        _download(client, bucket, key, path)
    return path


def fetch_tree(uri: str, cache_dir: Path, client: Any = None) -> Path:  # noqa: ANN401
    """Return a local folder with a copy of every object under a prefix.

    Args:
        uri: ``s3://bucket/prefix``, the prefix taken as a folder.
        cache_dir: where copies are kept.
        client: from :func:`connect`.

    Raises:
        MissingObjectError: there is nothing under the prefix.
        UserError: as :func:`fetch`, and for a key that would leave the folder.
    """
    bucket, key = split_uri(uri)
    client = client or connect()
    objects = objects_under(uri, client)
    if not objects:
        raise MissingObjectError(f"{uri}: no objects under this prefix; check the address and the endpoint")
    prefix = as_prefix(key)
    folder = cache_dir / "s3" / _digest(bucket, prefix, *(text for one in objects for text in (one.key, one.etag)))
    paths = [_inside(folder, one.key.removeprefix(prefix), uri) for one in objects]
    with clear_errors(uri, client), ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(partial(_download, client, bucket), [one.key for one in objects], paths))
    return folder


def head(uri: str, client: Any) -> StoredObject:  # noqa: ANN401
    """Return what the server says of one object.

    Raises:
        MissingObjectError: there is no such object.
        UserError: as :func:`fetch`.
    """
    from botocore.exceptions import ClientError

    bucket, key = split_uri(uri)
    if not key or key.endswith("/"):
        raise UserError(f"{uri}: names no object, expected s3://bucket/key")
    with clear_errors(uri, client):
        try:
            answer = client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) != "404":
                raise
            # An answer to HEAD has no body: only the bucket's own answer says which of the two is missing.
            client.head_bucket(Bucket=bucket)
            raise MissingObjectError(f"{uri}: no such object in the bucket '{bucket}'") from None
    return StoredObject(key, answer["ContentLength"], answer["ETag"])


def objects_under(uri: str, client: Any) -> list[StoredObject]:  # noqa: ANN401
    """Return the objects under a prefix taken as a folder, sorted by key; markers of folders are left out.

    Raises:
        UserError: as :func:`fetch`.
    """
    bucket, key = split_uri(uri)
    with clear_errors(uri, client):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=as_prefix(key))
        objects = [
            StoredObject(one["Key"], one["Size"], one["ETag"]) for page in pages for one in page.get("Contents", ())
        ]
    return sorted(one for one in objects if not one.key.endswith("/"))


def split_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key (which may be empty).

    Raises:
        UserError: no such form.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not is_s3(uri) or not bucket:
        raise UserError(f"{uri}: expected s3://bucket/key")
    return bucket, key


def as_prefix(key: str) -> str:
    """Return a key as that of a folder: with one slash at its end, or empty for the whole bucket."""
    return f"{key.rstrip('/')}/" if key else ""


def _inside(folder: Path, relative: str, uri: str) -> Path:
    # "//" in a key would make an absolute path of the rest, ".." one outside the folder.
    if {"", ".", ".."} & set(relative.split("/")):
        raise UserError(f"{uri}: the key '…/{relative}' cannot be a file name; rename the object")
    return folder / relative


def _download(client: Any, bucket: str, key: str, path: Path) -> None:  # noqa: ANN401
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as beside:
        client.download_file(bucket, key, str(beside))


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:20]
