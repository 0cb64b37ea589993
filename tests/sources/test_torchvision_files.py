"""CIFAR, MNIST and SVHN in their authors' layouts, written as published (Python 2 pickles, idx, .mat).

Truth: the arrays they were written from.
"""

import io
import os
import pickle
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from prunegap.errors import UserError
from prunegap.sources.plain_pickle import load_plain_pickle
from prunegap.sources.registry import SourceOptions, open_source

PythonPickler: Any = pickle._Pickler  # the one in Python, whose methods can be changed


class Python2Pickler(PythonPickler):
    """Writes text and bytes as Python 2 did: both as a byte string of unknown encoding."""

    dispatch = PythonPickler.dispatch.copy()

    def save_byte_string(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_byte_string


def write_python2_pickle(path, value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


def images_as_published(count, seed):
    """CIFAR's rows: 1024 red bytes, 1024 green, 1024 blue."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def write_cifar100(folder, fine=(3, 0, 2), coarse=(1, 0, 1)):
    names = {"fine_label_names": ["apple", "bear", "cup", "dog"], "coarse_label_names": ["fruit", "animal"]}
    write_python2_pickle(folder / "meta", names)
    for part, seed in (("train", 0), ("test", 1)):
        data = images_as_published(len(fine), seed)
        labels = {
            "fine_labels": list(fine),
            "coarse_labels": list(coarse),
            "filenames": ["x.png"] * len(fine),
        }
        write_python2_pickle(folder / part, {"data": data, "batch_label": part, **labels})


def test_cifar100_comes_with_fine_and_coarse_classes_and_its_pixels(tmp_path):
    write_cifar100(tmp_path / "cifar-100-python")
    rows = open_source("cifar100", str(tmp_path))
    assert rows.part == ["train"] * 3 + ["test"] * 3
    assert rows.columns["class"] == ["dog", "apple", "cup"] * 2
    assert rows.columns["coarse_class"] == ["animal", "fruit", "animal"] * 2
    assert rows.values("class") == ["apple", "bear", "cup", "dog"]
    red_green_blue = images_as_published(3, 1)[2].reshape(3, 32, 32)
    np.testing.assert_array_equal(rows.load(5), np.stack(list(red_green_blue), axis=-1))
    assert len(set(rows.names)) == 6


def test_the_folder_of_the_batches_may_itself_be_the_location(tmp_path):
    write_cifar100(tmp_path)
    assert len(open_source("cifar100", str(tmp_path))) == 6


def test_cifar10_joins_its_five_training_batches_in_order(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    write_python2_pickle(folder / "batches.meta", {"label_names": ["airplane", "bird"]})
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        data = images_as_published(2, number)
        write_python2_pickle(folder / name, {"data": data, "labels": [number % 2, 1], "filenames": ["", ""]})
    rows = open_source("cifar10", str(tmp_path))
    assert rows.part == ["train"] * 10 + ["test"] * 2
    assert rows.columns["class"][::2] == ["airplane", "bird"] * 3
    np.testing.assert_array_equal(rows.load(6)[..., 1].ravel(), images_as_published(2, 3)[0, 1024:2048])


def test_missing_batches_are_named_with_the_way_to_get_them(tmp_path):
    with pytest.raises(UserError, match=r"cifar-100-python/meta' is missing; set download: true"):
        open_source("cifar100", str(tmp_path))


def test_an_s3_address_is_never_downloaded_into(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="cannot be reached"):
        open_source("mnist", "s3://data/mnist", SourceOptions(cache_dir=tmp_path / "cache", download=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((3, 3000), np.uint8)}, r"images of shape \(3, 3000\)"),
        ({"data": np.zeros((3, 3072))}, "type float64"),
        ({"data": np.zeros((2, 3072), np.uint8)}, r"shape \(2, 3072\) and type uint8 with \[3\] labels"),
        ({"fine_labels": [0, 1, 4]}, "not a batch of cifar-100-python"),
    ],
)
def test_a_batch_of_another_shape_is_refused(tmp_path, change, message):
    write_cifar100(tmp_path)
    batch = {"data": images_as_published(3, 0), "fine_labels": [0, 1, 2], "coarse_labels": [0, 1, 1]}
    write_python2_pickle(tmp_path / "test", batch | change)
    with pytest.raises(UserError, match=message):
        open_source("cifar100", str(tmp_path))


class Evil:
    """Its pickle calls a function when it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_pickle_that_would_call_the_system_is_refused_and_nothing_is_called(tmp_path):
    write_cifar100(tmp_path)
    marker = tmp_path / "marker"
    (tmp_path / "train").write_bytes(pickle.dumps({"data": Evil(os.open, str(marker), os.O_CREAT | os.O_WRONLY)}))
    with pytest.raises(UserError, match=r"train: refused: the pickle asks for '(posix|nt)\.open'"):
        open_source("cifar100", str(tmp_path))
    assert not marker.exists()
    os.close(pickle.loads((tmp_path / "train").read_bytes())["data"])
    assert marker.exists(), "the attack would have worked on a plain unpickler"


@pytest.mark.parametrize(
    "attack",
    [
        Evil(eval, "1"),
        Evil(getattr, "text", "upper"),
        Evil(np.load, "file"),
        Evil(__import__("_codecs").encode, "text", "rot13"),
        Evil(zlib.decompress, zlib.compress(b"x")),
    ],
)
def test_nothing_but_what_arrays_need_is_admitted(tmp_path, attack):
    (tmp_path / "file").write_bytes(pickle.dumps([attack], protocol=2))
    with pytest.raises(UserError, match="refused: the pickle asks for"):
        load_plain_pickle(tmp_path / "file")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_bytes_text_lists_and_dicts_of_python_3_are_read_too(tmp_path, protocol):
    value = {
        "array": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "bytes": b"\x00\xff",
        "list": ["ä", 1, 2.5, None],
    }
    (tmp_path / "file").write_bytes(pickle.dumps(value, protocol=protocol))
    read = load_plain_pickle(tmp_path / "file")
    np.testing.assert_array_equal(read.pop("array"), value.pop("array"))
    assert read == value


@pytest.mark.parametrize("damage", [b"", b"hello", b"\x80\x02", pickle.dumps([b"x" * 100])[:-20]])
def test_a_damaged_pickle_is_one_clear_line(tmp_path, damage):
    (tmp_path / "file").write_bytes(damage)
    with pytest.raises(UserError, match="not a readable pickle") as caught:
        load_plain_pickle(tmp_path / "file")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_cut_anywhere_is_damaged_and_not_one_that_asks_for_a_part_of_a_name(tmp_path, protocol):
    whole = pickle.dumps({"data": np.arange(6, dtype=np.uint8), "labels": [1, 2]}, protocol=protocol)
    for length in range(len(whole)):
        (tmp_path / "file").write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a readable pickle"):
            load_plain_pickle(tmp_path / "file")


def write_idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist(folder, labels=(5, 0)):
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    for part, pixels in (("train", images), ("t10k", 255 - images)):
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.array(labels, dtype=np.uint8))
    return images


@pytest.mark.parametrize(
    ("name", "folder", "classes"),
    [("mnist", "MNIST", ["5", "0"]), ("fashion_mnist", "FashionMNIST", ["Sandal", "T-shirt/top"])],
)
def test_mnist_and_fashion_mnist_are_read_from_their_idx_files(tmp_path, name, folder, classes):
    images = write_mnist(tmp_path / folder / "raw")
    rows = open_source(name, str(tmp_path))
    assert rows.part == ["train", "train", "test", "test"]
    assert rows.columns["class"] == classes * 2
    assert len(rows.values("class")) == 10
    np.testing.assert_array_equal(rows.load(1), images[1])
    np.testing.assert_array_equal(rows.load(2), 255 - images[0])


def test_a_cut_off_idx_file_is_refused(tmp_path):
    write_mnist(tmp_path)
    file = tmp_path / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="not readable idx files"):
        open_source("mnist", str(tmp_path))


def test_svhn_calls_the_digit_zero_zero_though_its_files_call_it_ten(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 2), dtype=np.uint8)
    for part in ("train", "test"):
        savemat(tmp_path / f"{part}_32x32.mat", {"X": images, "y": np.array([[10], [3]], dtype=np.uint8)})
    rows = open_source("svhn", str(tmp_path))
    assert rows.columns["class"] == ["0", "3"] * 2
    assert rows.part == ["train", "train", "test", "test"]
    np.testing.assert_array_equal(rows.load(3), images[:, :, :, 1])


def test_a_file_that_is_not_svhns_is_refused(tmp_path):
    (tmp_path / "train_32x32.mat").write_bytes(b"not a mat file at all" * 20)
    (tmp_path / "test_32x32.mat").touch()
    with pytest.raises(UserError, match=r"train_32x32\.mat: not an SVHN file"):
        open_source("svhn", str(tmp_path))
