"""Objects and prefixes of S3 (any server that speaks it) as local files.

The endpoint and the credentials are those boto3 finds: ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL``,
``AWS_ACCESS_KEY_ID`` and so on. A copy lies under a name made from the object's ETag, so that a changed
object is fetched again and an unchanged one is not; it is written beside, then renamed.
"""

import hashlib
import os
import tempfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from prunegap.errors import UserError

_REFUSALS = frozenset(
    {
        "AccessDenied",
        "403",
        "Forbidden",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
    }
)
_THREADS = 16


class MissingObjectError(UserError):
    """There is no object under that address."""


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
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 3},
        max_pool_connections=_THREADS,
    )
    try:
        # A server of one's own needs no region, boto3 does.
        session = boto3.Session()
        region = session.region_name or os.environ.get("AWS_REGION", "us-east-1")
        return session.client("s3", config=config, region_name=region)
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"the settings for S3 are refused: {_line(error)}; check the AWS_* variables") from None


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
    if not key or key.endswith("/"):
        raise UserError(f"{uri}: names no object, expected s3://bucket/key")
    client = client or connect()
    with _clear_errors(uri, client):
        etag: str = _head(client, bucket, key)["ETag"]
        path = cache_dir / "s3" / _digest(bucket, key, etag) / PurePosixPath(key).name
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
    prefix = f"{key.rstrip('/')}/" if key else ""
    client = client or connect()
    with _clear_errors(uri, client):
        listing = _list(client, bucket, prefix)
        if not listing:
            raise MissingObjectError(f"{uri}: no objects under this prefix; check the address and the endpoint")
        folder = cache_dir / "s3" / _digest(bucket, prefix, *(text for item in listing for text in item))
        paths = [_inside(folder, one.removeprefix(prefix), uri) for one, _ in listing]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(partial(_download, client, bucket), [key for key, _ in listing], paths))
    return folder


def split_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key (which may be empty).

    Raises:
        UserError: no such form.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not is_s3(uri) or not bucket:
        raise UserError(f"{uri}: expected s3://bucket/key")
    return bucket, key


def _head(client: Any, bucket: str, key: str) -> Any:  # noqa: ANN401
    from botocore.exceptions import ClientError

    try:
        return client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if _code(error) == "404":
            # An answer to HEAD has no body: only the bucket's own answer says which of the two is missing.
            client.head_bucket(Bucket=bucket)
            raise MissingObjectError(f"s3://{bucket}/{key}: no such object in the bucket '{bucket}'") from None
        raise


def _list(client: Any, bucket: str, prefix: str) -> list[tuple[str, str]]:  # noqa: ANN401
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [(item["Key"], item["ETag"]) for page in pages for item in page.get("Contents", ())]
    return sorted((key, etag) for key, etag in found if not key.endswith("/"))


def _inside(folder: Path, relative: str, uri: str) -> Path:
    # "//" in a key would make an absolute path of the rest, ".." one outside the folder.
    if {"", ".", ".."} & set(relative.split("/")):
        raise UserError(f"{uri}: the key '…/{relative}' cannot be a file name; rename the object")
    return folder / relative


def _download(client: Any, bucket: str, key: str, path: Path) -> None:  # noqa: ANN401
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as beside:
        part = Path(beside, "object")
        client.download_file(bucket, key, str(part))
        part.replace(path)


@contextmanager
def _clear_errors(uri: str, client: Any) -> Generator[None]:  # noqa: ANN401
    from boto3.exceptions import S3TransferFailedError
    from botocore import exceptions as refusals

    endpoint: str = client.meta.endpoint_url
    try:
        yield
    except refusals.ClientError as error:
        raise _refusal(uri, endpoint, _code(error), _line(error)) from None
    except refusals.NoCredentialsError:
        raise UserError(f"{uri}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from None
    except (refusals.ConnectionError, refusals.HTTPClientError) as error:
        raise UserError(
            f"{uri}: the endpoint {endpoint} cannot be reached ({_line(error)}); check AWS_ENDPOINT_URL_S3"
        ) from None
    except (refusals.BotoCoreError, S3TransferFailedError) as error:
        raise UserError(f"{uri}: {_line(error)}") from None


def _refusal(uri: str, endpoint: str, code: str, text: str) -> UserError:
    bucket, _ = split_uri(uri)
    if code in {"NoSuchBucket", "404"}:
        return UserError(f"{uri}: no bucket '{bucket}' at {endpoint}; check the name and AWS_ENDPOINT_URL_S3")
    if code == "NoSuchKey":
        return MissingObjectError(f"{uri}: no such object in the bucket '{bucket}'")
    if code in _REFUSALS:
        return UserError(
            f"{uri}: {endpoint} refused the credentials ({code}); check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and the rights of that user"
        )
    return UserError(f"{uri}: {endpoint} answered: {text}")


def _code(error: Any) -> str:  # noqa: ANN401
    return str(error.response.get("Error", {}).get("Code", ""))


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:20]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
