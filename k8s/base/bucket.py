"""Make the artifact bucket: wait for the store, leave a bucket that is there alone, say plainly what a store refuses.

Environment: ARTIFACT_BUCKET, AWS_ENDPOINT_URL_S3, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
and BUCKET_WAIT_SECONDS (default 600), how long a store that does not answer yet is waited for.
"""

import contextlib
import os
import sys
import time

import boto3
from botocore import exceptions
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
    with contextlib.suppress(exceptions.ClientError):  # if refused, asking to make it says better why
        s3.head_bucket(Bucket=bucket)
        return "is there already"
    s3.create_bucket(Bucket=bucket, **place)
    return "made"


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
        Why there is no bucket; empty when there is one.
    """
    bucket, endpoint = os.environ["ARTIFACT_BUCKET"], os.environ["AWS_ENDPOINT_URL_S3"]
    deadline = time.monotonic() + float(os.environ.get("BUCKET_WAIT_SECONDS", "600"))
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
