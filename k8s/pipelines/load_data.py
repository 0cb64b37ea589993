"""Bring data onto the claim /data, whole or not at all, and check that both claims can be written by the stages' user.

Environment: SOURCE (s3://bucket/folder, s3://bucket/object or https://...; empty: only the check), TARGET (a new folder
below /data), SHA256 (of a single file, optional), CLAIMS (the mounts, default "/data /checkpoints"), and the variables
of the store. A .zip or .tar file is unpacked.
"""

import os
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

from prunegap.errors import UserError
from prunegap.remote.checksum import check_sha256
from prunegap.remote.s3 import as_prefix, connect, head, is_s3, objects_under, split_uri
from prunegap.remote.web import download_web, shown

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def check_writable(claim: Path) -> None:
    """Refuse a claim that this user cannot write.

    Raises:
        UserError: it cannot, with what to do.
    """
    try:
        with tempfile.TemporaryFile(dir=claim):
            pass
    except OSError as error:
        owner = claim.stat().st_uid if claim.exists() else "nobody"
        raise UserError(
            f"{claim}: user {os.getuid()} cannot write it ({error.strerror}; it belongs to user {owner}): where the "
            "storage ignores fsGroup, run the job own-claims once, or let the storage class set the owner"
        ) from None


def new_folder(data: Path, target: str) -> Path:
    """Where the data will lie.

    Raises:
        UserError: no plain name, or it is there already.
    """
    if not target or Path(target).name != target or target.startswith("."):
        raise UserError(f"TARGET must be the name of a new folder in {data}, got {target!r}")
    if (data / target).exists():
        raise UserError(f"{data / target} is there already: choose another TARGET, as runs may have read that one")
    return data / target


def download(source: str, folder: Path) -> int:
    """Bring what lies at an address into a folder.

    Returns:
        Number of files.

    Raises:
        UserError: nothing there, no such form, or it cannot be had.
    """
    if is_s3(source):
        client, (bucket, key) = connect(), split_uri(source)
        objects = objects_under(source, client)
        if objects:
            for one in objects:
                path = (folder / one.key.removeprefix(as_prefix(key))).resolve()
                if not path.is_relative_to(folder.resolve()):
                    raise UserError(f"{source}: the key {one.key!r} cannot be a file name; rename the object")
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(bucket, one.key, str(path))
            return len(objects)
        file = folder / Path(head(source, client).key).name
        client.download_file(bucket, key, str(file))
    elif source.startswith(("https://", "http://")):
        file = download_web(source, folder)
    else:
        raise UserError(f"SOURCE must be an s3:// or https:// address, got {source!r}")
    check_sha256(file, os.environ.get("SHA256", ""), shown(source))
    unpack(file, folder, shown(source))
    return sum(path.is_file() for path in folder.rglob("*"))


def unpack(file: Path, folder: Path, source: str) -> None:
    """Unpack a .zip or .tar file, and remove it; another is left as it is.

    Raises:
        UserError: it is damaged, or holds something else than files and folders inside it.
    """
    try:
        if file.name.endswith(".zip"):  # by its name: many a file of data is an archive inside
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    archive.extract(name, folder)
        elif file.name.endswith(TAR):
            with tarfile.open(file) as archive:
                archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 knows none
                for member in archive:
                    inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
                    if not inside or not (member.isfile() or member.isdir()):
                        raise UserError(f"{source}: {member.name!r} is no file or folder inside the archive")
                    archive.extract(member, folder, set_attrs=False)
        else:
            return
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise UserError(f"{source}: cannot be unpacked: {error}") from None
    file.unlink()


def main() -> str:
    """Do what the environment says.

    Returns:
        Why it was not done; empty when it was.
    """
    claims = [Path(claim) for claim in os.environ.get("CLAIMS", "/data /checkpoints").split()]
    source = os.environ.get("SOURCE", "")
    try:
        for claim in claims:
            check_writable(claim)
        sys.stdout.write(f"user {os.getuid()} can write {' and '.join(map(str, claims))}\n")
        if source:
            target = new_folder(claims[0], os.environ.get("TARGET", ""))
            with tempfile.TemporaryDirectory(dir=claims[0], prefix=".loading-") as beside:
                folder = Path(beside) / target.name
                folder.mkdir()
                files = download(source, folder)
                folder.rename(target)
            sys.stdout.write(f"{target}: {files} files from {shown(source)}\n")
    except UserError as trouble:
        return f"error: {trouble}"
    return ""


if __name__ == "__main__":
    sys.exit(main() or 0)
