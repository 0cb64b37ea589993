"""How examples are divided. Truth: the properties each rule promises, and the paper's recipe spelled out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunegap.data.split import content_hash_split, random_split, stratified_holdout, utkface_paper_split


def names(count: int) -> list[str]:
    return [f"{row:05d}" for row in range(count)]


@given(
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    share=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_every_group_gives_its_share_but_at_least_one_and_never_its_last(counts, share, seed):
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    held = stratified_holdout(groups, names(len(groups)), share, seed)
    for group, count in enumerate(counts):
        taken = int(held[groups == group].sum())
        if count < 2:
            assert taken == 0
        else:
            assert 1 <= taken <= count - 1
            assert abs(taken - share * count) <= 1


def test_a_share_of_zero_holds_out_nothing_and_a_seed_decides_which():
    groups, keys = np.repeat([0, 1], 50), names(100)
    assert not stratified_holdout(groups, keys, 0.0, 1).any()
    assert stratified_holdout(groups, keys, 0.2, 1).tolist() == stratified_holdout(groups, keys, 0.2, 1).tolist()
    assert stratified_holdout(groups, keys, 0.2, 1).tolist() != stratified_holdout(groups, keys, 0.2, 2).tolist()


def test_a_holdout_is_not_the_head_of_each_group():
    held = stratified_holdout([0] * 1000, names(1000), 0.5, 3)
    assert 200 < held[:500].sum() < 300


@given(
    groups=st.lists(st.integers(0, 3), min_size=8, max_size=80),
    share=st.floats(0.02, 0.9),
    seed=st.integers(0, 99),
    left_out=st.sets(st.integers(0, 79), min_size=1, max_size=5),
)
@settings(max_examples=80, deadline=None)
def test_leaving_rows_out_moves_at_most_as_many_others_of_each_group_and_none_of_other_groups(
    groups, share, seed, left_out
):
    keys = names(len(groups))
    kept = [row for row in range(len(groups)) if row not in left_out]
    all_held = dict(zip(keys, stratified_holdout(groups, keys, share, seed), strict=True))
    part = stratified_holdout([groups[row] for row in kept], [keys[row] for row in kept], share, seed)
    moved = [groups[row] for row, held in zip(kept, part, strict=True) if held != all_held[keys[row]]]
    gone = [groups[row] for row in left_out if row < len(groups)]
    for group in set(moved):
        assert moved.count(group) <= gone.count(group)
    one_random = random_split(keys, share, seed)
    fewer = random_split([keys[row] for row in kept], share, seed)
    assert (one_random[kept] != fewer).sum() <= len(gone)


def test_another_order_moves_nothing():
    groups, keys = np.random.default_rng(0).integers(0, 4, 200), names(200)
    order = np.random.default_rng(1).permutation(200)
    shuffled = [keys[row] for row in order]
    held = stratified_holdout(groups, keys, 0.3, 7)
    assert stratified_holdout(groups[order], shuffled, 0.3, 7).tolist() == held[order].tolist()
    assert random_split(shuffled, 0.3, 7).tolist() == random_split(keys, 0.3, 7)[order].tolist()


def test_examples_of_one_key_are_told_apart_by_what_else_they_are_not_by_their_place():
    keys, ties = [b"same image"] * 10, [f"label {row}" for row in range(10)]
    held = {tie for tie, one in zip(ties, stratified_holdout([0] * 10, keys, 0.3, 1, ties), strict=True) if one}
    back = zip(ties[::-1], stratified_holdout([0] * 10, keys, 0.3, 1, ties[::-1]), strict=True)
    assert {tie for tie, one in back if one} == held
    back = zip(ties[::-1], random_split(keys, 0.3, 1, ties[::-1]), strict=True)
    assert {tie for tie, one in back if one} == held


def test_identical_content_falls_on_one_side_in_any_order_and_company():
    digests = [f"image {i % 500}".encode() for i in range(1000)]
    chosen = content_hash_split(digests, 0.2, "salt")
    assert (chosen[:500] == chosen[500:]).all()
    assert content_hash_split(digests[::-1], 0.2, "salt").tolist() == chosen[::-1].tolist()
    assert content_hash_split(digests[7:9], 0.2, "salt").tolist() == chosen[7:9].tolist()


def test_about_the_share_is_chosen_and_a_larger_share_only_adds():
    digests = [str(i) for i in range(20_000)]
    chosen = content_hash_split(digests, 0.2, "a")
    assert abs(chosen.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 20_000)
    assert not (chosen & ~content_hash_split(digests, 0.3, "a")).any()


def test_another_salt_gives_an_independent_split():
    digests = [str(i) for i in range(20_000)]
    both = content_hash_split(digests, 0.2, "a") & content_hash_split(digests, 0.2, "b")
    assert abs(both.mean() - 0.04) < 0.01


@pytest.mark.parametrize(("share", "number"), [(0.0, 0), (1.0, 100)])
def test_the_ends_of_the_share_choose_none_and_all(share, number):
    digests = [str(i) for i in range(100)]
    assert content_hash_split(digests, share, "").sum() == number
    assert random_split(digests, share, 0).sum() == number


def test_the_papers_split_is_the_head_of_its_permutation_of_the_sorted_names():
    names = [f"{age}_{gender}_{race}" for age in range(1, 30) for gender in (0, 1) for race in range(5)]
    permuted = [sorted(names)[i] for i in np.random.RandomState(1357).permutation(len(names))]
    test_names = set(permuted[: len(names) // 5])
    given_order = list(np.random.default_rng(0).permutation(names))
    chosen = utkface_paper_split(given_order)
    assert {name for name, is_test in zip(given_order, chosen, strict=True) if is_test} == test_names


def test_the_papers_23705_names_give_4741_test_images():
    assert utkface_paper_split([f"{i:05d}" for i in range(23_705)]).sum() == 4741


def test_a_random_split_chooses_the_rounded_number_by_seed():
    keys = names(1797)
    assert random_split(keys, 0.2, 0).sum() == 359
    assert random_split(keys, 0.2, 0).tolist() != random_split(keys, 0.2, 1).tolist()
    assert 140 < random_split(keys, 0.2, 0)[:898].sum() < 220
