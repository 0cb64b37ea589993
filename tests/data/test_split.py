"""How examples are divided. Truth: the properties each rule promises, and the paper's recipe spelled out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunegap.data.split import content_hash_split, random_split, stratified_holdout, utkface_paper_split


@given(
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    share=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_every_group_gives_its_share_but_at_least_one_and_never_its_last(counts, share, seed):
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    held = stratified_holdout(groups, share, seed)
    for group, count in enumerate(counts):
        taken = int(held[groups == group].sum())
        if count < 2:
            assert taken == 0
        else:
            assert 1 <= taken <= count - 1
            assert abs(taken - share * count) <= 1


def test_a_share_of_zero_holds_out_nothing_and_a_seed_decides_which():
    groups = np.repeat([0, 1], 50)
    assert not stratified_holdout(groups, 0.0, 1).any()
    assert stratified_holdout(groups, 0.2, 1).tolist() == stratified_holdout(groups, 0.2, 1).tolist()
    assert stratified_holdout(groups, 0.2, 1).tolist() != stratified_holdout(groups, 0.2, 2).tolist()


def test_a_holdout_is_not_the_head_of_each_group():
    held = stratified_holdout([0] * 1000, 0.5, 3)
    assert 200 < held[:500].sum() < 300


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
    assert random_split(100, share, 0).sum() == number


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
    assert random_split(1797, 0.2, 0).sum() == 359
    assert random_split(1797, 0.2, 0).tolist() != random_split(1797, 0.2, 1).tolist()
