"""What packing refuses, and what it leaves out. Truth: which rows were spoiled, by the pixels of the others."""

import numpy as np
import pytest
from sources.people import GENDERS, RACES, packed, people, rows_in

from prunegap.errors import UserError
from prunegap.sources.rows import BadRow, RowError


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (np.zeros((4, 5, 3), np.uint8), "different sizes: '00.png' is 3x4x4, '33.png' is 3x4x5 .* set image_size"),
        (np.zeros((4, 4), np.uint8), "different channels: '00.png' is 3x4x4, '33.png' is 1x4x4 .* set channels"),
    ],
)
def test_images_that_do_not_fit_together_are_refused_with_the_setting_that_helps(odd, message):
    images = [np.zeros((4, 4, 3), np.uint8)] * 60
    images[33] = odd
    with pytest.raises(UserError, match=message):
        packed(people(images=images))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group_by": ["races"]}, r"no attribute 'races'; did you mean 'race'\? \(it has: race, gender\)"),
        ({"target": "age"}, "no attribute 'age'"),
        ({"group_by": []}, r"group_by must name one or more different attributes, got \[\]"),
        ({"group_by": ["race", "race"]}, "group_by must name one or more different"),
        ({"drop_groups": ["Whit"]}, r"drop_groups: no group or value 'Whit'; did you mean 'White'\?"),
        ({"drop_groups": list(RACES)}, "no examples are left"),
        ({"class_names": ["White", "Black"]}, "row '02.png': race 'Asian' is not a class; valid: Black, White"),
        ({"channel_mean": [0.5]}, r"channel_mean must be a number for each of 3 channels, got \[0\.5\]"),
        ({"channel_std": [0.5, 0, 0.5]}, r"channel_std must be a number > 0 for each of 3 channels"),
        ({"split": "gven"}, r"unknown split 'gven'; did you mean 'given'\?"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(settings, message):
    with pytest.raises(UserError, match=message):
        packed(people(), **settings)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (("a", "b x c"), ("a x b", "c"), "groups 'a x b x c' and 'a x b x c' cannot be told apart"),
        (("a", "c"), ("a ", "c"), "groups 'a x c' and 'a  x c' cannot be told apart"),
    ],
)
def test_groups_whose_names_cannot_be_told_apart_are_refused(one, other, message):
    values = {name: [(one if i % 2 else other)[axis] for i in range(60)] for axis, name in enumerate("pq")}
    rows = people(columns={"race": people().columns["race"]} | values)
    with pytest.raises(UserError, match=message):
        packed(rows, group_by=["p", "q"])


@pytest.mark.parametrize("other", ["Cat ", " Cat", "Cat\u00a0", "Cat\t"])
def test_classes_that_differ_in_blanks_alone_are_refused_and_those_that_differ_in_case_are_two(other):
    def kinds(name):
        return people(columns={"kind": ["Cat" if i % 2 else name for i in range(60)]})

    with pytest.raises(UserError, match=r"classes .*'Cat.* cannot be told apart: write them alike in the data"):
        packed(kinds(other), target="kind", group_by=["kind"], split="random")
    assert packed(kinds("cat"), target="kind", group_by=["kind"], split="random").dataset.class_names == ["Cat", "cat"]


def test_a_class_named_twice_is_refused():
    with pytest.raises(UserError, match="classes 'White' and 'White' cannot be told apart"):
        packed(people(), class_names=["White", "Black", "Asian", "White"])


def test_groups_missing_in_train_or_test_are_named_with_their_counts():
    rows = people(part=["train" if i % 3 else "test" for i in range(60)])
    message = r"'White' \(train 0, test 20\), 'Black' \(train 20, test 0\), 'Asian' \(train 20, test 0\); leave them"
    with pytest.raises(UserError, match=message):
        packed(rows)
    with pytest.raises(UserError, match=r"'04\.png' \(train 1, test 0\) and 55 more; "):
        packed(people(columns={"race": ["White"] * 60, "name": people().names}), group_by=["name"])


def spoiled(bad_images=(7, 8), **changes):
    good = people()

    def load(row):
        if row in bad_images:
            raise RowError("not an image")
        return good.load(row)

    return people(load=load, **changes)


def test_bad_rows_stop_the_work_with_their_number_names_and_reasons():
    with pytest.raises(
        UserError, match=r"2 bad rows \(07\.png: not an image; 08\.png: not an image\); .*on_bad_rows: skip"
    ):
        packed(spoiled())
    with pytest.raises(UserError, match=r"20 bad rows \(03\.png: .*; and 15 more\)"):
        packed(spoiled(range(3, 23)))
    with pytest.raises(UserError, match=r"1 bad row \(x\.png: malformed\)"):
        packed(people(bad=[BadRow("x.png", "malformed")]))


def test_skipped_bad_rows_are_listed_and_change_no_other_row():
    columns = people().columns | {"gender": ["" if i == 10 else GENDERS[i // 3 % 2] for i in range(60)]}
    rows = spoiled(columns=columns, bad=[BadRow("x.png", "malformed")])
    result = packed(rows, group_by=["race", "gender"], on_bad_rows="skip")
    assert [(row.name, row.reason) for row in result.bad] == [
        ("x.png", "malformed"),
        ("10.png", "no value for 'gender'"),
        ("07.png", "not an image"),
        ("08.png", "not an image"),
    ]
    splits = result.dataset.splits
    assert sorted(rows_in(splits["train"]) + rows_in(splits["test"])) == sorted({*range(60)} - {7, 8, 10})
    assert splits["train"].labels.tolist() == [row % 3 for row in rows_in(splits["train"])]


def test_a_missing_value_of_an_attribute_not_in_use_is_no_bad_row():
    columns = people().columns | {"gender": ["" if i == 10 else "Male" for i in range(60)]}
    data = packed(people(columns=columns)).dataset
    position = rows_in(data.splits["test"]).index(10)
    assert data.attribute_values["gender"][data.attributes["test"]["gender"][position]] == ""


@pytest.mark.parametrize("split", ["random", "content_hash", "utkface_paper"])
def test_one_unreadable_image_or_a_dropped_group_moves_no_other_row(split):
    def test_rows(rows, **settings):
        data = packed(rows, split=split, test_share=0.4, seed=3, salt="s", on_bad_rows="skip", **settings).dataset
        return set(rows_in(data.splits["test"]))

    whole = test_rows(people())
    assert 8 < len(whole) < 40
    assert test_rows(spoiled()) == whole - {7, 8}
    assert test_rows(people(), drop_groups=["Black"]) == {row for row in whole if row % 3 != 1}


def test_a_source_without_parts_has_no_given_split():
    with pytest.raises(UserError, match="split 'given': this source defines no train and test; use content_hash"):
        packed(people(part=None))
