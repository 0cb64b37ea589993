"""Weights from the web."""

from base64 import b64encode
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from prunegap.errors import UserError

SECONDS_OF_SILENCE = 60


def download_web(url: str, folder: Path) -> None:
    """Download one ``http(s)://`` file into ``folder``.

    Raises:
        UserError: no such host or file, no access, a refused or broken connection.
    """
    target = folder / (unquote(PurePosixPath(urlsplit(url).path).name) or "weights").replace("/", "_")
    try:
        with (
            cast("HTTPResponse", urlopen(_request(url), timeout=SECONDS_OF_SILENCE)) as reply,  # noqa: S310
            target.open("wb") as file,
        ):
            copyfileobj(reply, file, 1 << 20)
            announced = reply.headers.get("Content-Length")
    except HTTPError as error:
        with error:
            raise UserError(
                f"{shown(url)}: the server answered {error.code} {error.reason}; check the address"
            ) from None
    except (URLError, HTTPException, ConnectionError, TimeoutError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"{shown(url)}: cannot download it ({reason}); check the address and the network") from None
    received = target.stat().st_size
    if announced is not None and received != int(announced):
        raise UserError(f"{shown(url)}: the connection broke after {received} of {announced} bytes; try again")


def shown(url: str) -> str:
    """Return a web address without what may be secret in it, password and query; others as they are."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _request(url: str) -> Request:
    """Ask for ``url``; a name and password in it become a header, which no redirect passes on."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = Request(bare, headers={"User-Agent": "prunegap"})  # noqa: S310
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {b64encode(login.encode()).decode()}")
    return request
