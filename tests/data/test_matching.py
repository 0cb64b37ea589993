"""A data set as a model sees it. Truth: the name behind every label, which must stay what it was."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from prunegap.data.grouped import GroupedDataset, Split
from prunegap.data.matching import match_classes, seen_as
from prunegap.errors import UserError

DIGITS = [str(digit) for digit in range(10)]


def dataset(class_names, **changes) -> GroupedDataset:
    generator = torch.Generator().manual_seed(0)
    splits = {
        name: Split(
            torch.randint(256, (count, 1, 2, 2), generator=generator).to(torch.uint8),
            torch.randint(len(class_names), (count,), generator=generator),
            torch.randint(2, (count,), generator=generator),
        )
        for name, count in (("train", 50), ("validation", 20), ("test", 30))
    }
    return replace(GroupedDataset(splits, class_names, ["a", "b"], [0.1], [0.2], target="digit"), **changes)


def called(data: GroupedDataset) -> dict[str, list[Any]]:
    return {name: [data.class_names[label] for label in split.labels.tolist()] for name, split in data.splits.items()}


@pytest.mark.parametrize("order", [DIGITS, DIGITS[::-1], ["3", "1", "2"], ["9"]])
def test_every_example_keeps_the_name_of_its_class_under_the_models_numbers(order):
    data = dataset(order)
    seen = seen_as(data, class_names=DIGITS, channel_mean=[0.5], channel_std=[0.25])
    assert called(seen) == called(data)
    assert list(seen.class_names) == DIGITS
    assert (seen.channel_mean, seen.channel_std) == ([0.5], [0.25])
    for name, split in seen.splits.items():
        assert split.labels.tolist() == [int(one) for one in called(data)[name]]
        assert split.labels.dtype == torch.int64
        assert split.images is data.splits[name].images
        assert split.groups is data.splits[name].groups
    assert (seen.group_names, seen.target) == (data.group_names, data.target)


def test_what_the_model_knows_already_is_left_as_it_is():
    data = dataset(DIGITS)
    assert seen_as(data, class_names=DIGITS, channel_mean=[0.1], channel_std=[0.2]) == data


def test_the_data_set_itself_is_not_changed():
    data = dataset(DIGITS[::-1])
    before = called(data)
    seen_as(data, class_names=DIGITS, channel_mean=[0.5], channel_std=[0.25])
    assert called(data) == before
    assert data.channel_mean == [0.1]


@pytest.mark.parametrize(
    ("known", "wanted", "message"),
    [
        (DIGITS, ["0", "one"], r"the data set's class 'one' is not known to the model; valid: 0, 1"),
        (["cat", "dog"], ["cat", "dig"], r"class 'dig' is not known to the model; did you mean 'dog'\?"),
        (["cat"], ["Cat"], "class 'Cat' is not known"),
        (
            DIGITS,
            ["zero", "one", "two", "three", "four"],
            r"classes 'zero', 'one', 'two' and 2 more are not known to the model; it knows '0', '1', '2' and 7 more; ",
        ),
        (DIGITS, [*DIGITS, "10", "11"], r"classes '10', '11' are not known"),
    ],
)
def test_a_class_the_model_does_not_know_is_refused_by_name(known, wanted, message):
    with pytest.raises(UserError, match=message):
        match_classes(known, wanted)
