"""Files of torchvision's data sets: where they should be, and fetching them when the user allows it.

torchvision's own constructors are not used: they unpickle freely. Only its addresses, checksums and
download function are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunegap.errors import UserError
from prunegap.remote.location import folder_at
from prunegap.remote.s3 import is_s3
from prunegap.sources.registry import SourceOptions


@dataclass(frozen=True)
class Download:
    """One file: where it can be had (mirrors), its name, its MD5."""

    urls: Sequence[str]
    name: str
    md5: str


def folder_with(
    location: str,
    options: SourceOptions,
    *,
    inside: str,
    files: Sequence[str],
    downloads: Sequence[Download],
    name: str,
) -> Path:
    """Return the folder that holds ``files``: ``location/inside`` or ``location`` itself.

    Downloads and unpacks into ``location`` (archives) or ``location/inside`` (single files) when they are
    missing and ``options.download`` allows it.

    Raises:
        UserError: a file is missing and may not be, or cannot be, downloaded.
    """
    found = _find(location, options, inside, files)
    if found is None and _may_download(location, options):
        root = Path(location).expanduser()
        for file in downloads:
            _download(file, root if file.name.endswith(".tar.gz") else root / inside)
        found = _find(location, options, inside, files)
    if found is None:
        raise UserError(
            f"{name}: '{Path(location) / inside / files[0]}' is missing; set download: true to fetch the "
            "data there, or name the folder that has it as location"
        )
    return found


def _find(location: str, options: SourceOptions, inside: str, files: Sequence[str]) -> Path | None:
    if _may_download(location, options) and not Path(location).expanduser().exists():
        return None
    root = folder_at(location, options.cache_dir)
    for folder in (root / inside, root):
        if all((folder / file).is_file() for file in files):
            return folder
    return None


def _may_download(location: str, options: SourceOptions) -> bool:
    return options.download and bool(location) and not is_s3(location)


def _download(file: Download, folder: Path) -> None:
    from torchvision.datasets.utils import download_and_extract_archive, download_url

    archive = file.name.endswith(".gz")
    reasons: list[str] = []
    for url in file.urls:
        try:
            if archive:
                download_and_extract_archive(url, str(folder), filename=file.name, md5=file.md5)
            else:
                download_url(url, str(folder), filename=file.name, md5=file.md5)
        except (OSError, RuntimeError) as error:
            reasons.append(" ".join(str(error).split()))
        else:
            return
    raise UserError(f"cannot download {file.urls[0]} into {folder}: {'; '.join(reasons)}; fetch it by hand")
