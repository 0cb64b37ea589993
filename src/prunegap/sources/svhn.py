"""``svhn``: street view house numbers, 32x32 crops, from the authors' ``.mat`` files."""

from pathlib import Path

import numpy as np

from prunegap.errors import UserError
from prunegap.sources.downloads import Download, folder_with
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import Image, Rows, rows_of_parts


def open_svhn(location: str, options: SourceOptions) -> Rows:
    """Read SVHN (73,257 + 26,032 digits) from ``train_32x32.mat`` and ``test_32x32.mat``."""
    from torchvision.datasets import SVHN

    downloads = [Download([url], name, md5) for url, name, md5 in (SVHN.split_list[part] for part in ("train", "test"))]
    files = [download.name for download in downloads]
    folder = folder_with(location, options, inside="", files=files, downloads=downloads, name="svhn")
    train, test = (_read(folder / file) for file in files)
    return rows_of_parts(train, test, [str(digit) for digit in range(10)])


def _read(path: Path) -> tuple[Image, list[str]]:
    from scipy.io import loadmat

    try:
        mat = loadmat(path, variable_names=["X", "y"])
        images = mat["X"].transpose(3, 0, 1, 2)
        labels = mat["y"].astype(np.int64).reshape(-1) % 10  # the files call the digit 0 "10"
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        # What scipy raises for files that are cut, hold something else, lack a variable, or are of MATLAB 7.3.
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not an SVHN file ({reason}); take a fresh copy") from None
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3) or len(images) != len(labels):
        raise UserError(f"{path}: images of shape {images.shape}, {len(labels)} labels; needed: n x 32 x 32 x 3 bytes")
    return images, [str(label) for label in labels]
