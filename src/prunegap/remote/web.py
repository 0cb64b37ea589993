"""Files from the web. What may pass (a busy server, a broken connection) is tried again, as boto3 does with S3."""

import time
from base64 import b64encode
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from prunegap.errors import UserError
from prunegap.remote.s3 import SECONDS_OF_SILENCE

PAUSES = (0.5, 1.0)
"""Seconds before the second and the third attempt."""
_PASSING = frozenset({429, 500, 502, 503, 504})


class _PassingError(UserError):
    """Another attempt may go well."""


def download_web(url: str, folder: Path) -> Path:
    """Download one ``http(s)://`` file into ``folder`` and return its path.

    Raises:
        UserError: no such host or file, no access, a refused or broken connection.
    """
    for pause in PAUSES:
        try:
            return _attempt(url, folder)
        except _PassingError:
            time.sleep(pause)
    return _attempt(url, folder)


def shown(url: str) -> str:
    """Return a web address without what may be secret in it, password and query; others as they are."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all
        return url.rpartition("@")[2].partition("?")[0]
    if parts.scheme not in {"http", "https"}:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _attempt(url: str, folder: Path) -> Path:
    try:
        target = folder / (unquote(PurePosixPath(urlsplit(url).path).name) or "file").replace("/", "_")
        with (
            cast("HTTPResponse", urlopen(_request(url), timeout=SECONDS_OF_SILENCE)) as reply,  # noqa: S310
            target.open("wb") as file,
        ):
            copyfileobj(reply, file, 1 << 20)
            announced = reply.headers.get("Content-Length")
    except HTTPError as error:
        kind = _PassingError if error.code in _PASSING else UserError
        with error:
            raise kind(f"{shown(url)}: the server answered {error.code} {error.reason}; check the address") from None
    except ValueError as error:
        raise UserError(f"{shown(url)}: cannot download it ({error}); check the address") from None
    except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
        reason = getattr(error, "reason", None) or error
        raise _PassingError(f"{shown(url)}: cannot download it ({reason}); check the address and the network") from None
    received = target.stat().st_size
    if announced is not None and received != int(announced):
        raise _PassingError(f"{shown(url)}: the connection broke after {received} of {announced} bytes; try again")
    return target


def _request(url: str) -> Request:
    """Ask for ``url``; a name and password in it become a header, which no redirect passes on."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = Request(bare, headers={"User-Agent": "prunegap"})  # noqa: S310
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {b64encode(login.encode()).decode()}")
    return request
