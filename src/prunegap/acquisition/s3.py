"""Weights from an object store, with credentials and AWS_ENDPOINT_URL as boto3 finds them."""

import importlib
from pathlib import Path, PurePosixPath

from prunegap.errors import UserError


def download_s3(uri: str, folder: Path) -> None:
    """Download one object, ``s3://bucket/key``, into ``folder``.

    Raises:
        UserError: not such an address; no credentials, access, bucket or object.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key or key.endswith("/"):
        raise UserError(f"{uri}: must be s3://bucket/key of one file")
    boto3 = importlib.import_module("boto3")  # slow to import and seldom needed
    refusals = importlib.import_module("botocore.exceptions")
    try:
        boto3.client("s3").download_file(bucket, key, str(folder / PurePosixPath(key).name))
    except refusals.ClientError as error:
        reason = error.response["Error"]
        raise UserError(
            f"{uri}: the object store answered {reason.get('Code')} {reason.get('Message')}; "
            "check bucket, key and access"
        ) from None
    except refusals.BotoCoreError as error:
        raise UserError(f"{uri}: {error}; check AWS_ENDPOINT_URL, region and credentials") from None
