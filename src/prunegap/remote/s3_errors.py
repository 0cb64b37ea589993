"""What boto3 raises, said in one line each: what is missing or refused, where, and what to do."""

from collections.abc import Generator
from contextlib import contextmanager
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
_SETTING = "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL"


class MissingObjectError(UserError):
    """There is no object under that address."""


@contextmanager
def clear_errors(uri: str, client: Any) -> Generator[None]:  # noqa: ANN401
    """Turn what boto3 raises about ``uri`` into a :class:`UserError`.

    Raises:
        MissingObjectError: there is no such object.
        UserError: anything else.
    """
    from boto3.exceptions import S3TransferFailedError
    from botocore import exceptions as refusals

    endpoint: str = client.meta.endpoint_url
    try:
        yield
    except refusals.ClientError as error:
        raise _refusal(uri, endpoint, error_code(error), one_line(error)) from None
    except refusals.NoCredentialsError:
        raise UserError(f"{uri}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from None
    except (refusals.ConnectionError, refusals.HTTPClientError) as error:
        raise UserError(
            f"{uri}: the endpoint {endpoint} cannot be reached ({one_line(error)}); check {_SETTING}"
        ) from None
    except (refusals.BotoCoreError, S3TransferFailedError) as error:
        raise UserError(f"{uri}: {one_line(error)}; check {_SETTING} and the credentials") from None


def error_code(error: Any) -> str:  # noqa: ANN401
    """Return the code in a server's answer, empty if it gave none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def one_line(error: BaseException) -> str:
    """Return the message of an error without its line breaks."""
    return " ".join(str(error).split())


def _refusal(uri: str, endpoint: str, code: str, text: str) -> UserError:
    bucket = uri.removeprefix("s3://").partition("/")[0]
    if code in {"NoSuchBucket", "404"}:
        return UserError(f"{uri}: no bucket '{bucket}' at {endpoint}; check the name and {_SETTING}")
    if code == "NoSuchKey":
        return MissingObjectError(f"{uri}: no such object in the bucket '{bucket}'")
    if code in _REFUSALS:
        return UserError(
            f"{uri}: {endpoint} refused the credentials ({code}); check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and the rights of that user"
        )
    return UserError(f"{uri}: {endpoint} answered: {text}")
