"""``mnist`` and ``fashion_mnist``: the idx files as torchvision unpacks them."""

from pathlib import Path

from prunegap.errors import UserError
from prunegap.sources.downloads import Download, folder_with
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import Image, Rows, rows_of_parts


def open_mnist(location: str, options: SourceOptions) -> Rows:
    """Read MNIST (60,000 + 10,000 digits, 28x28, greyscale) from ``location/MNIST/raw``."""
    from torchvision.datasets import MNIST

    downloads = _downloads(MNIST.mirrors, MNIST.resources)
    return _open(location, options, "MNIST", downloads, [str(digit) for digit in range(10)])


def open_fashion_mnist(location: str, options: SourceOptions) -> Rows:
    """Read Fashion-MNIST (60,000 + 10,000 garments, 28x28, greyscale) from ``location/FashionMNIST/raw``."""
    from torchvision.datasets import FashionMNIST

    downloads = _downloads(FashionMNIST.mirrors, FashionMNIST.resources)
    return _open(location, options, "FashionMNIST", downloads, list(FashionMNIST.classes))


def _downloads(mirrors: list[str], resources: list[tuple[str, str]]) -> list[Download]:
    return [Download([mirror + name for mirror in mirrors], name, md5) for name, md5 in resources]


def _open(location: str, options: SourceOptions, name: str, downloads: list[Download], class_names: list[str]) -> Rows:
    files = [download.name.removesuffix(".gz") for download in downloads]
    folder = folder_with(location, options, inside=f"{name}/raw", files=files, downloads=downloads, name=name)
    train, train_labels = _read(folder, "train", class_names)
    test, test_labels = _read(folder, "t10k", class_names)
    return rows_of_parts((train, train_labels), (test, test_labels), class_names)


def _read(folder: Path, part: str, class_names: list[str]) -> tuple[Image, list[str]]:
    from torchvision.datasets.mnist import read_image_file, read_label_file

    try:
        images = read_image_file(str(folder / f"{part}-images-idx3-ubyte")).numpy()
        labels = read_label_file(str(folder / f"{part}-labels-idx1-ubyte")).tolist()
        names = [class_names[label] for label in labels]
    except (ValueError, TypeError, RuntimeError, AssertionError, IndexError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{folder}/{part}-*: not readable idx files ({reason}); take a fresh copy") from None
    if len(images) != len(names):
        raise UserError(f"{folder}/{part}-*: {len(images)} images but {len(names)} labels; take a fresh copy")
    return images, names
