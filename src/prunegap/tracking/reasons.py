"""Why tracking failed, in one line for a person."""

from prunegap.tracking.addresses import without_password

_KNOWN = {
    "Connection refused": "connection refused",
    "Name or service not known": "unknown host name",
    "name resolution": "unknown host name",
    "Connection reset": "the connection broke",
    "Connection aborted": "the connection broke",
    "timed out": "no answer in time",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted",
}


def reason(error: BaseException) -> str:
    """Return the cause of an error: a known one in words, else its first line, at most 200 characters of it."""
    text = str(error).strip()
    known = next((words for sign, words in _KNOWN.items() if sign in text), None)
    return known or next(iter(text.splitlines()), type(error).__name__)[:200]


def failure_line(error: Exception, uri: str, workspace: str) -> str:
    """Say in one line what failed, that the run goes on, and when the rest is sent."""
    return (
        f"tracking at {without_password(uri)} failed ({reason(error)}); the run goes on; what is missing "
        f"is sent once it answers again, or later with `prunegap upload {workspace}`"
    )
