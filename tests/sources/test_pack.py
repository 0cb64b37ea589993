"""Rows packed into tensors. Truth: small images whose pixels say which row they are, Pillow, numpy in float64."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sources.people import GENDERS, RACES, packed, people, rows_in

from prunegap.data.split import content_hash_split, utkface_paper_split
from prunegap.sources.registry import open_source
from prunegap.sources.rows import RowError


def test_every_row_keeps_its_own_image_label_group_attributes_and_name():
    rows = people()
    data = packed(rows, target="gender", group_by=["race", "gender"], validation_share=0.3).dataset
    seen = []
    for name, split in data.splits.items():
        assert split.images.dtype == torch.uint8
        assert split.images.shape[1:] == (3, 4, 4)
        assert (split.images == split.images[:, :1, :1, :1]).all()
        for position, row in enumerate(rows_in(split)):
            race, gender = rows.columns["race"][row], rows.columns["gender"][row]
            assert data.class_names[split.labels[position]] == gender
            assert data.group_names[split.groups[position]] == f"{race} x {gender}"
            assert data.attribute_values["race"][data.attributes[name]["race"][position]] == race
            assert data.attribute_values["gender"][data.attributes[name]["gender"][position]] == gender
            assert data.row_names[name][position] == rows.names[row]
            seen.append(row)
    assert sorted(seen) == list(range(60))
    assert rows_in(data.splits["test"]) == list(range(0, 60, 5))
    assert (data.target, list(data.group_by)) == ("gender", ["race", "gender"])


def test_intersections_are_row_major_in_the_order_of_the_values():
    assert packed(people(), group_by=["race", "gender"]).dataset.group_names == [
        "White x Male",
        "White x Female",
        "Black x Male",
        "Black x Female",
        "Asian x Male",
        "Asian x Female",
    ]


def test_values_without_a_meaning_of_order_are_sorted_and_numbers_by_size():
    rows = people(columns={"race": [str(i % 3 + 8) for i in range(60)], "gender": ["m", "f"] * 30}, value_order={})
    data = packed(rows, group_by=["gender"]).dataset
    assert data.class_names == ["8", "9", "10"]
    assert data.group_names == ["f", "m"]


def test_the_validation_split_takes_its_share_of_every_group_from_train_only():
    data = packed(people(), validation_share=0.25).dataset
    whole = packed(people()).dataset
    assert "validation" not in whole.splits
    train, held = (data.splits[name].group_counts(3) for name in ("train", "validation"))
    assert (train + held).tolist() == whole.splits["train"].group_counts(3).tolist() == [16, 16, 16]
    assert held.tolist() == [4, 4, 4]
    assert rows_in(data.splits["test"]) == rows_in(whole.splits["test"])


def test_channel_statistics_are_those_of_the_training_pixels_alone():
    noise = np.random.default_rng(0).integers(0, 256, (60, 5, 7, 3), dtype=np.uint8)
    noise[..., 2] //= 3
    noise[::5] = 255
    data = packed(people(images=list(noise))).dataset
    train = np.delete(noise, slice(0, 60, 5), axis=0) / np.float64(255)
    np.testing.assert_allclose(data.channel_mean, train.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(data.channel_std, train.std(axis=(0, 1, 2)), rtol=1e-12)


def test_given_statistics_are_kept_and_a_constant_channel_is_divided_by_one():
    data = packed(people(), channel_mean=[0.5] * 3, channel_std=[0.25] * 3).dataset
    assert (data.channel_mean, data.channel_std) == ([0.5] * 3, [0.25] * 3)
    assert packed(people(images=[np.zeros((2, 2), np.uint8)] * 60)).dataset.channel_std == [1.0]


def test_resizing_is_antialiased_and_square():
    stripes = np.zeros((8, 12, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    data = packed(people(images=[stripes] * 60), image_size=3).dataset
    expected = np.asarray(Image.fromarray(stripes).resize((3, 3), Image.Resampling.BILINEAR))
    assert data.image_shape == (3, 3, 3)
    assert (data.splits["train"].images[0].numpy() == expected.transpose(2, 0, 1)).all()
    assert 80 < expected.min() <= expected.max() < 120, "without antialiasing the stripes would stay 0 or 200"


def test_channels_convert_grey_to_colour_and_colour_to_grey():
    grey = [np.full((2, 2), i, dtype=np.uint8) for i in range(60)]
    assert packed(people(images=grey)).dataset.image_shape == (1, 2, 2)
    tripled = packed(people(images=grey), channels=3).dataset.splits["train"].images
    assert tripled.shape[1] == 3
    assert (tripled == tripled[:, :1]).all()
    red = [np.full((2, 2, 3), (255, 0, 0), dtype=np.uint8)] * 60
    assert packed(people(images=red), channels=1).dataset.splits["test"].images.unique().tolist() == [76]


def test_dropping_a_value_an_intersection_or_both_leaves_their_rows_out_and_renumbers_no_class():
    rows = people()
    drop = ["Black", "Asian × Male"]
    data = packed(rows, group_by=["race", "gender"], drop_groups=drop).dataset
    assert data.group_names == ["White x Male", "White x Female", "Asian x Female"]
    assert data.class_names == list(RACES)
    for split in data.splits.values():
        for position, row in enumerate(rows_in(split)):
            assert data.group_names[split.groups[position]] == f"{RACES[row % 3]} x {GENDERS[row // 3 % 2]}"
            assert split.labels[position] == row % 3


def test_values_that_no_row_has_are_no_groups_but_still_classes():
    data = packed(people(value_order={"race": (*RACES, "Others"), "gender": GENDERS})).dataset
    assert data.group_names == list(RACES)
    assert data.class_names == [*RACES, "Others"]


def test_class_names_of_the_user_number_the_labels():
    data = packed(people(), class_names=["Asian", "none", "White", "Black"]).dataset
    assert data.splits["test"].labels[:3].tolist() == [2, 0, 3]


def test_columns_of_identifiers_are_left_out_of_the_attributes():
    count = 1200
    images = [np.zeros((1, 1), np.uint8)] * count
    rows = people(count, images=images)
    rows = people(count, images=images, columns=rows.columns | {"id": [f"id {i}" for i in range(count)]})
    assert list(packed(rows).dataset.attribute_values) == ["race", "gender"]


def test_identical_images_fall_on_one_side_whatever_their_labels():
    images = [np.full((4, 4, 3), i // 4, dtype=np.uint8) for i in range(240)]
    data = packed(people(240, images=images), split="content_hash", test_share=0.4).dataset
    train, test = (set(rows_in(data.splits[name])) for name in ("train", "test"))
    assert train
    assert test
    assert not train & test


def test_the_papers_split_goes_by_the_names():
    rows = people(names=[f"{i * 7919 % 101:03d}.png" for i in range(60)])
    data = packed(rows, split="utkface_paper").dataset
    expected = utkface_paper_split(rows.names)
    assert rows_in(data.splits["test"]) == np.flatnonzero(expected).tolist()


def test_a_split_by_content_depends_on_the_salt_alone():
    def test_rows(**settings):
        return rows_in(packed(people(), split="content_hash", test_share=0.4, **settings).dataset.splits["test"])

    assert test_rows(seed=1, salt="a") == test_rows(seed=2, salt="a") != test_rows(salt="b")
    assert content_hash_split([b""], 0.0, "").tolist() == [False]


def test_progress_sees_every_image_once():
    calls = []

    def progress(work, total, label):
        items = list(work)
        calls.append((len(items), total, label))
        return items

    packed(people(), progress=progress)
    assert calls == [(60, 60, "images")]


def test_more_images_than_one_chunk_stay_in_order():
    rows = open_source("digits")
    data = packed(rows, target="class", group_by=["class"], split="random", validation_share=0.1, seed=5).dataset
    for name, split in data.splits.items():
        truth = np.stack([rows.load(int(row)) for row in data.row_names[name]])
        assert (split.images[:, 0].numpy() == truth).all()
    assert sum(len(split) for split in data.splits.values()) == 1797


@pytest.mark.parametrize("split", ["given", "content_hash", "random"])
@pytest.mark.parametrize("bad", [0, 31, 59])
def test_one_unreadable_row_moves_at_most_one_other_of_its_group(split, bad):
    rows = people(images=[np.full((4, 4, 3), i, dtype=np.uint8) for i in range(60)])

    def load(row):
        if row == bad:
            raise RowError("damaged")
        return rows.load(row)

    settings: dict[str, Any] = {"split": split, "validation_share": 0.3, "on_bad_rows": "skip"}
    before, after = packed(rows, **settings).dataset, packed(replace(rows, load=load), **settings).dataset
    where = {row: name for name, one in before.splits.items() for row in rows_in(one)}
    moved = [row for name, one in after.splits.items() for row in rows_in(one) if where[row] != name]
    assert len(moved) <= 1
    assert all(row % 3 == bad % 3 for row in moved)


@pytest.mark.parametrize("split", ["content_hash", "random"])
def test_rows_in_another_order_go_where_they_went(split):
    rows = people()
    order = np.random.default_rng(3).permutation(60)
    shuffled = people(
        names=[rows.names[row] for row in order],
        columns={name: [values[row] for row in order] for name, values in rows.columns.items()},
        load=lambda row: rows.load(int(order[row])),
        part=None,
    )
    one, other = (packed(each, split=split, validation_share=0.3).dataset for each in (rows, shuffled))
    for name, part in one.splits.items():
        assert sorted(rows_in(part)) == sorted(rows_in(other.splits[name]))
