"""Parts by entity: nothing of a person on two sides, and once in a judged group. Truth: the rows' own columns."""

import logging
from typing import Any

import numpy as np
import pytest
from sources.people import packed, people, rows_in

from prunegap.data.split import holdout_by_entity
from prunegap.errors import UserError

RULES = ("content_hash", "random")


def visits(count=20, lost=(), **changes):
    """Sixty pictures of so many people: of twenty three each, one a race; of fifteen four each, of one race."""
    person = ["" if row in lost else f"p{row % count:02d}" for row in range(60)]
    return people(columns={**people().columns, "person": person}, **changes)


def people_of(data, rows) -> dict[str, list[str]]:
    return {name: [rows.columns["person"][row] for row in rows_in(split)] for name, split in data.splits.items()}


@pytest.mark.parametrize("rule", RULES)
def test_nobody_is_on_two_sides_and_every_picture_is_somewhere(rule):
    rows = visits()
    data = packed(
        rows, split=rule, split_by="person", repeats="keep", test_share=0.4, validation_share=0.3, seed=3
    ).dataset
    met = people_of(data, rows)
    assert set(met) == {"train", "validation", "test"}
    sides = [set(one) for one in met.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 20
    assert sum(map(len, met.values())) == 60


@pytest.mark.parametrize("rule", RULES)
def test_where_a_person_goes_is_the_same_whatever_else_is_in_the_set(rule):
    settings: dict[str, Any] = {
        "split": rule,
        "split_by": "person",
        "repeats": "keep",
        "test_share": 0.4,
        "salt": "x",
        "seed": 1,
    }
    rows = visits()
    everybody = people_of(packed(rows, **settings).dataset, rows)
    left = people_of(packed(rows, drop_groups=["Asian"], **settings).dataset, rows)
    for name, those in left.items():
        assert set(those) <= set(everybody[name])


def test_another_salt_or_seed_chooses_other_people():
    rows = visits()
    changes: list[dict[str, Any]] = [{"split": "content_hash", "salt": "b"}, {"split": "random", "seed": 5}]
    for settings in changes:
        plain: dict[str, Any] = {"split": settings["split"], "split_by": "person", "test_share": 0.4}
        one = people_of(packed(rows, **plain).dataset, rows)["test"]
        other = people_of(packed(rows, **plain | settings).dataset, rows)["test"]
        assert set(one) != set(other)


def test_a_judged_group_counts_a_person_once_and_the_others_are_listed_and_told(caplog):
    rows = visits(15)
    settings: dict[str, Any] = {"split": "random", "split_by": "person", "test_share": 0.4, "validation_share": 0.2}
    everything = packed(rows, repeats="keep", **settings)
    with caplog.at_level(logging.INFO):
        once = packed(rows, **settings)
    listed = {row.name for row in once.bad}
    whole = {name: rows_in(split) for name, split in everything.dataset.splits.items()}
    for name, split in once.dataset.splits.items():
        kept = rows_in(split)
        if name == "train":
            assert kept == whole[name]
            continue
        first: dict[tuple[str, str], int] = {}
        for row in whole[name]:
            first.setdefault((rows.columns["person"][row], rows.columns["race"][row]), row)
        assert kept == sorted(first.values())
        assert {rows.names[row] for row in set(whole[name]) - set(kept)} <= listed
    assert len(listed) == 60 - len(once.dataset.row_names["train"]) - sum(
        len(once.dataset.row_names[name]) for name in ("validation", "test")
    )
    assert len(listed) > 20
    assert all(row.reason.startswith("a further example of person 'p") for row in once.bad)
    assert f"{len(listed)} examples of validation and test are further ones of a person" in caplog.text
    assert everything.bad == []


def test_given_parts_that_share_a_person_are_refused_and_clean_ones_are_taken():
    rows = visits()
    with pytest.raises(
        UserError, match=r"12 of 20 values of 'person' are in train and in test .*'p00' for one; choose"
    ):
        packed(visits(part=["test" if row < 12 else "train" for row in range(60)]), split_by="person")
    clean = ["test" if row % 20 < 4 else "train" for row in range(60)]
    met = people_of(packed(visits(part=clean), split_by="person").dataset, rows)
    assert set(met["test"]) == {"p00", "p01", "p02", "p03"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split_by": "persons"}, r"'persons'.*did you mean 'person'\?"),
        ({"split_by": "person", "split": "utkface_paper"}, "goes by file names; with split_by choose content_hash"),
    ],
)
def test_what_cannot_be_kept_together_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        packed(visits(), **settings)


def test_a_row_without_its_person_is_a_bad_row():
    with pytest.raises(UserError, match=r"1 bad row \(07.png: no value for 'person'\)"):
        packed(visits(lost={7}), split="random", split_by="person")


def test_the_held_out_people_of_a_small_group_are_a_share_of_its_own():
    entities = [f"e{index}" for index in range(200) for _ in range(2)]
    groups = [1 if index < 10 else 0 for index in range(200) for _ in range(2)]
    held = holdout_by_entity(groups, entities, 0.2, 0)
    assert (held[0::2] == held[1::2]).all()
    assert int(held[:20].sum()) == 4
    assert int(held.sum()) == 80


def test_a_person_of_two_groups_counts_for_the_smaller():
    entities = [f"e{index}" for index in range(100)] + [f"e{index}" for index in range(10)]
    groups = np.array([0] * 100 + [1] * 10)
    held = holdout_by_entity(groups, entities, 0.2, 4)
    assert int(held[100:].sum()) == 2
    assert int(held[:100].sum()) == 2 + 18
