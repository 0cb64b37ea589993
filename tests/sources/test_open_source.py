"""Sources are found by name. Truth: scikit-learn's own digits."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from prunegap.errors import UserError
from prunegap.sources.registry import SourceOptions, open_source, source_names


def test_every_source_of_ours_is_known():
    assert source_names() == [
        "cifar10",
        "cifar100",
        "class_folders",
        "digit_views",
        "digits",
        "fairface",
        "fashion_mnist",
        "mnist",
        "svhn",
        "table",
        "utkface",
    ]


def test_an_unknown_source_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match=r"source 'utkfaces' is not known; did you mean 'utkface'\?"):
        open_source("utkfaces")


@pytest.mark.parametrize("name", [name for name in source_names() if not name.startswith("digit")])
def test_a_source_without_its_location_says_that_it_needs_one(name):
    with pytest.raises(UserError, match="needs a location"):
        open_source(name)


@pytest.mark.parametrize("name", ["utkface", "fairface", "class_folders", "cifar10", "table"])
def test_a_location_that_does_not_exist_is_named(name, tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/nowhere: no such"):
        open_source(name, f"{tmp_path}/nowhere", SourceOptions())


def test_a_file_where_a_folder_is_needed_and_the_reverse_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, this source needs a folder"):
        open_source("utkface", str(tmp_path / "file"))
    with pytest.raises(UserError, match="is a folder, this source needs one file"):
        open_source("table", str(tmp_path))


def test_digits_are_scikit_learns_with_0_to_16_stretched_to_0_to_255():
    rows = open_source("digits")
    truth: Any = load_digits()
    assert len(rows) == len(set(rows.names)) == 1797
    assert rows.columns["class"] == [str(label) for label in truth.target]
    assert rows.values("class") == [str(digit) for digit in range(10)]
    assert rows.part is None
    for row in (0, 17, 1796):
        image = rows.load(row)
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image / 255, truth.images[row] / 16, atol=0.5 / 255)
