"""Make the buckets: wait for the store, leave a bucket that is there alone, say plainly what a store refuses.

Environment: ARTIFACT_BUCKET, DATA_BUCKET (optional), AWS_ENDPOINT_URL_S3, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, and BUCKET_WAIT_SECONDS (default 600), how long a store that does not answer yet is waited for.
"""

import contextlib
import os
import sys
import time

import boto3
from botocore import exceptions
from botocore.client import BaseClient
from botocore.config import Config

SILENT = (exceptions.ConnectionError, exceptions.HTTPClientError)
KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (secret prunegap-s3)"
NOT_READY = {"InternalError", "ServiceUnavailable", "SlowDown", "500", "503"}


def make(bucket: str, region: str) -> str:
    """Make the bucket if it is missing.

    Args:
        bucket: Name of the bucket.
        region: Where to make it; us-east-1, S3's default, must not be named in the request.

    Returns:
        What was done, in words.

    Raises:
        ClientError: The store answered and refused.
        ConnectionError: The store does not answer (yet).
        ValueError: The address of the store is none.
    """
    s3 = boto3.client("s3", config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30))
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    if is_there(s3, bucket):
        return "is there already"
    try:
        s3.create_bucket(Bucket=bucket, **place)
    except exceptions.ClientError:
        if is_there(s3, bucket):  # another pod was quicker
            return "is there already"
        raise
    return "made"


def is_there(s3: BaseClient, bucket: str) -> bool:
    """Whether the store shows us the bucket; where it refuses to say, asking to make it says better why."""
    with contextlib.suppress(exceptions.ClientError):
        s3.head_bucket(Bucket=bucket)
        return True
    return False


def attempt(bucket: str) -> tuple[str, str, bool]:
    """Try once.

    Args:
        bucket: Name of the bucket.

    Returns:
        What was done (empty on failure), what went wrong (empty on success), and whether waiting may help.
    """
    try:
        return make(bucket, os.environ["AWS_DEFAULT_REGION"]), "", False
    except SILENT as silence:
        return "", f"does not answer: {silence}", True
    except exceptions.ClientError as refusal:
        waiting_helps = refusal.response["Error"]["Code"] in NOT_READY
        return "", f"refused: {refusal}; check {KEYS} and what they may do", waiting_helps
    except (exceptions.BotoCoreError, ValueError) as mistake:
        return "", f"cannot be asked: {mistake}; check AWS_ENDPOINT_URL_S3 (config map mlflow-server) and {KEYS}", False


def main() -> str:
    """Try until the store answers.

    Returns:
        Why there is no bucket; empty when there is every one.
    """
    deadline = time.monotonic() + float(os.environ.get("BUCKET_WAIT_SECONDS", "600"))
    buckets = [os.environ["ARTIFACT_BUCKET"], os.environ.get("DATA_BUCKET", "")]
    return next((trouble for bucket in buckets if bucket and (trouble := wait_for(bucket, deadline))), "")


def wait_for(bucket: str, deadline: float) -> str:
    """Try to make one bucket until a time of the monotonic clock; returns why there is none."""
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    done, trouble, waiting_helps = attempt(bucket)
    while waiting_helps and time.monotonic() < deadline:
        time.sleep(2)
        done, trouble, waiting_helps = attempt(bucket)
    if trouble:
        return f"bucket {bucket}: the store at {endpoint} {trouble}"
    sys.stdout.write(f"bucket {bucket} at {endpoint}: {done}\n")
    return ""


if __name__ == "__main__":
    sys.exit(main() or 0)
