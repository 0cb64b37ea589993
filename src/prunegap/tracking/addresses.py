"""Tracking addresses: which one holds, whether it can be one, and how it is shown."""

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from prunegap.errors import UserError

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
_DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}


def default_uri(workspace: Path) -> str:
    """Return ``MLFLOW_TRACKING_URI``, else the sqlite file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or workspace_uri(workspace)


def workspace_uri(workspace: Path) -> str:
    """Return the address of the workspace's own sqlite file.

    Raises:
        UserError: the path holds a ``?`` or ``%``, which mean something else in an address.
    """
    path = workspace.resolve() / DATABASE
    if {"?", "%"} & set(str(path)):
        raise UserError(f"{workspace}: MLflow cannot keep its file in a folder with '?' or '%' in its path; rename it")
    return f"sqlite:///{path}"


def without_password(uri: str) -> str:
    """Return the address as it may be printed and stored."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    login, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login.partition(':')[0]}@{host}"))


def check_address(uri: str) -> None:
    """Refuse what cannot be the address of a tracking server or database.

    Raises:
        UserError: an unknown scheme, or no host or a bad port in an http address.
    """
    rule = "expected http://HOST:PORT, https://HOST, or sqlite:///FILE; correct --tracking-uri or MLFLOW_TRACKING_URI"
    try:
        parts = urlsplit(uri)
        scheme, host, _ = parts.scheme.partition("+")[0], parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"tracking address '{uri}' is broken ({error}): {rule}") from None
    if scheme in {"http", "https"} and host and not any(character.isspace() for character in uri):
        return
    if scheme in _DATABASES and parts.path:
        return
    raise UserError(f"tracking address '{without_password(uri)}' is broken: {rule}")
