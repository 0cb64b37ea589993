"""``cifar10`` and ``cifar100``: the python batches as their authors publish them, unpickled safely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunegap.errors import UserError
from prunegap.sources.downloads import Download, folder_with
from prunegap.sources.plain_pickle import load_plain_pickle
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import Image, Rows


@dataclass(frozen=True)
class _Layout:
    """Where a CIFAR keeps what it holds. ``labels``: column -> (key of labels, key of names)."""

    folder: str
    train: Sequence[str]
    test: str
    meta: str
    labels: Mapping[str, tuple[str, str]]


_CIFAR10 = _Layout(
    folder="cifar-10-batches-py",
    train=[f"data_batch_{number}" for number in range(1, 6)],
    test="test_batch",
    meta="batches.meta",
    labels={"class": ("labels", "label_names")},
)
_CIFAR100 = _Layout(
    folder="cifar-100-python",
    train=["train"],
    test="test",
    meta="meta",
    labels={
        "class": ("fine_labels", "fine_label_names"),
        "coarse_class": ("coarse_labels", "coarse_label_names"),
    },
)


def open_cifar10(location: str, options: SourceOptions) -> Rows:
    """Read CIFAR-10 (50,000 + 10,000 images, 32x32) from its python batches."""
    from torchvision.datasets import CIFAR10

    return _open(location, options, _CIFAR10, Download([CIFAR10.url], CIFAR10.filename, CIFAR10.tgz_md5))


def open_cifar100(location: str, options: SourceOptions) -> Rows:
    """Read CIFAR-100 (50,000 + 10,000 images, 32x32): ``class`` of 100, ``coarse_class`` of 20."""
    from torchvision.datasets import CIFAR100

    return _open(location, options, _CIFAR100, Download([CIFAR100.url], CIFAR100.filename, CIFAR100.tgz_md5))


def _open(location: str, options: SourceOptions, layout: _Layout, download: Download) -> Rows:
    files = [layout.meta, layout.test, *layout.train]
    folder = folder_with(location, options, inside=layout.folder, files=files, downloads=[download], name=layout.folder)
    names = _names(folder / layout.meta, layout)
    train = [_batch(folder / file, layout, names) for file in layout.train]
    test = _batch(folder / layout.test, layout, names)
    images = np.concatenate([batch[0] for batch in (*train, test)])
    num_test = len(test[0])
    num_train = len(images) - num_test
    return Rows(
        names=[f"train/{row:05d}" for row in range(num_train)] + [f"test/{row:05d}" for row in range(num_test)],
        columns={column: [value for batch in (*train, test) for value in batch[1][column]] for column in layout.labels},
        load=lambda row: images[row],
        default_target="class",
        default_group="class",
        part=["train"] * num_train + ["test"] * num_test,
        value_order=names,
    )


def _names(path: Path, layout: _Layout) -> dict[str, list[str]]:
    meta = load_plain_pickle(path)
    try:
        return {column: [str(name) for name in meta[key]] for column, (_, key) in layout.labels.items()}
    except (KeyError, TypeError):
        raise UserError(f"{path}: not the names of {layout.folder}; take a fresh copy") from None


def _batch(path: Path, layout: _Layout, names: Mapping[str, Sequence[str]]) -> tuple[Image, dict[str, list[str]]]:
    batch = load_plain_pickle(path)
    try:
        flat = np.asarray(batch["data"])
        labels = {
            column: [names[column][int(label)] for label in batch[key]] for column, (key, _) in layout.labels.items()
        }
    except (KeyError, TypeError, IndexError, ValueError):
        raise UserError(f"{path}: not a batch of {layout.folder}; take a fresh copy") from None
    lengths = {len(values) for values in labels.values()}
    if flat.dtype != np.uint8 or flat.shape[1:] != (3072,) or lengths != {len(flat)}:
        raise UserError(
            f"{path}: images of shape {flat.shape} and type {flat.dtype} with {sorted(lengths)} labels; "
            "a CIFAR batch has (n, 3072) bytes and n labels"
        )
    return flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
