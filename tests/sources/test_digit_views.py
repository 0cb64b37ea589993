"""Digits in several views. Truth: scikit-learn's own arrays."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from prunegap.errors import UserError
from prunegap.sources.registry import SourceOptions, open_source

BUNCH: Any = load_digits()
IMAGES = np.rint(BUNCH["images"] * (255 / 16)).astype(int)
TRUTH = {
    "plain": lambda image: image,
    "negative": lambda image: 255 - image,
    "turned": lambda image: np.array([[image[column][7 - row] for column in range(8)] for row in range(8)]),
    "faint": lambda image: image // 3,
}


def opened(**options):
    return open_source("digit_views", "", SourceOptions(own=options))


@pytest.mark.parametrize("every", [1, 3])
def test_every_digit_is_plain_and_one_in_so_many_is_in_each_other_view(every):
    rows = opened(views="negative, turned,faint", every=str(every))
    views, digits = rows.columns["view"], [int(digit) for digit in rows.columns["digit"]]
    assert [digit for digit, view in zip(digits, views, strict=True) if view == "plain"] == list(range(1797))
    for view in ("negative", "turned", "faint"):
        assert views.count(view) == pytest.approx(1797 / every, abs=1)
    for row in range(0, len(rows), 97):
        assert (rows.load(row) == TRUTH[views[row]](IMAGES[digits[row]])).all()
        assert rows.columns["class"][row] == str(BUNCH["target"][digits[row]])
    assert len(set(rows.names)) == len(rows)
    assert rows.values("view") == ["plain", "negative", "turned", "faint"]


def test_two_views_show_different_digits_where_not_all_are_shown():
    rows = opened(views="negative,turned", every="2")
    shown = {view: set() for view in ("negative", "turned")}
    for view, digit in zip(rows.columns["view"], rows.columns["digit"], strict=True):
        if view in shown:
            shown[view].add(digit)
    assert not shown["negative"] & shown["turned"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": "negativ"}, r"views: no view 'negativ'; did you mean 'negative'\?"),
        ({"views": "plain"}, "views: no view 'plain'"),
        ({"every": "0"}, "every must be a whole number >= 1, got '0'"),
        ({"every": "2.5"}, "every must be a whole number >= 1, got '2.5'"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        opened(**options)
