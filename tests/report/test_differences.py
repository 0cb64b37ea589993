"""Methods beside each other. Truth: excess gaps counted by hand, and models that are the same or are not."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from report.judging import verdict_on

from prunegap.artifacts.comparison import Comparison
from prunegap.artifacts.method_difference import plain_differences, read_differences
from prunegap.gaps import Outcomes
from prunegap.report.differences import difference_sentence, method_differences, write_differences_csv
from prunegap.report.summary import summarise
from prunegap.report.tables import all_groups_markdown
from prunegap.uncertainty import PairedCounts, simultaneous_limits

GROUPS = torch.arange(900) % 3
NAMES = ("a", "b", "c")


def outcomes(right):
    correct = torch.as_tensor(right)
    return Outcomes(correct.long(), correct.double(), correct)


def with_examples(evaluations, accuracy):
    """Evaluations with drawn examples: method -> accuracy a group, of every seed its own."""
    made = []
    for one in evaluations:
        draw = np.random.default_rng([one.seed, len(one.method)])
        right = draw.random(900) < np.array(accuracy[one.method])[GROUPS.numpy()]
        members = {"train": GROUPS, "test": GROUPS}
        made.append(replace(one, outcomes={"train": outcomes(right), "test": outcomes(right)}, members=members))
    return made


@pytest.fixture
def drawn(simulate):
    def make(accuracy, seeds=(0, 1, 2, 3, 4), **settings):
        methods = tuple(accuracy)
        return with_examples(simulate(names=NAMES, methods=methods, seeds=seeds, per_group=300, **settings), accuracy)

    return make


def excess(one, other):
    """Excess gaps between two models, counted example by example."""
    right, after = one.outcomes["test"].correct.numpy(), other.outcomes["test"].correct.numpy()
    gap = [right[group == GROUPS].mean() - after[group == GROUPS].mean() for group in range(3)]
    return np.array(gap) - (right.mean() - after.mean())


def test_a_difference_is_the_excess_gap_between_two_methods_and_of_two_disparities(drawn):
    runs = drawn({"nft": (0.9, 0.9, 0.6), "ceag": (0.85, 0.85, 0.84)})
    (one,) = method_differences(runs)
    assert (one.method, one.reference, one.split, list(one.seeds)) == ("ceag", "nft", "test", [0, 1, 2, 3, 4])
    by_seed = [excess(*(run for run in runs if run.seed == seed)) for seed in range(5)]
    assert [group.value for group in one.groups] == pytest.approx(np.mean(by_seed, axis=0))
    assert [(group.name, group.count) for group in one.groups] == [("a", 300), ("b", 300), ("c", 300)]
    assert all(group.low < group.value < group.high for group in one.groups)
    assert one.groups[2].high < 0 < one.groups[0].low


def test_of_one_seed_the_limits_are_those_of_one_pair_of_models_at_alpha_by_the_number_of_methods(drawn):
    runs = drawn({"nft": (0.9, 0.9, 0.7), "el_rb": (0.9, 0.9, 0.8), "ceag": (0.9, 0.9, 0.85)}, seeds=(0,))
    nft, el, _ = runs
    found = method_differences(runs)
    assert [one.method for one in found] == ["el_rb", "ceag"]
    right, after = (run.outcomes["test"].correct.numpy() for run in (nft, el))
    truth = simultaneous_limits(PairedCounts.count(right, after, GROUPS.numpy(), 3), 0.025)
    assert [group.low for group in found[0].groups] == pytest.approx(truth.low)
    assert [group.high for group in found[0].groups] == pytest.approx(truth.high)


def test_methods_that_do_the_same_are_not_shown_to_differ_and_the_sentence_says_so(drawn):
    runs = drawn({"nft": (0.9, 0.9, 0.7), "ceag": (0.9, 0.9, 0.7)})
    (one,) = method_differences(runs)
    assert all(group.low < 0 < group.high for group in one.groups)
    assert difference_sentence(one) == (
        "beside nft (over 5 seeds, on the same test examples) is not shown to hurt any group less or more."
    )


def test_the_sentence_names_who_is_hurt_less_and_who_more_in_points(drawn):
    (one,) = method_differences(drawn({"nft": (0.9, 0.9, 0.6), "ceag": (0.85, 0.85, 0.84)}))
    a, b, c = one.groups
    first, second = sorted((a, b), key=lambda group: -group.value)
    assert difference_sentence(one) == (
        "beside nft (over 5 seeds, on the same test examples) hurts c "
        f"{-100 * c.value:.1f} points less (limits {-100 * c.high:.1f} to {-100 * c.low:.1f}); hurts "
        f"{first.name} {100 * first.value:.1f} points more (limits {100 * first.low:.1f} to {100 * first.high:.1f}), "
        f"{second.name} {100 * second.value:.1f} points more (limits {100 * second.low:.1f} to "
        f"{100 * second.high:.1f})."
    )


def test_only_seeds_of_both_methods_count_and_each_sparsity_is_for_itself(drawn):
    runs = drawn({"nft": (0.9, 0.9, 0.7), "ceag": (0.9, 0.9, 0.8)}, seeds=(0, 1, 2), sparsities=(0.9, 0.95))
    kept = [run for run in runs if not (run.method == "nft" and run.seed == 1 and run.sparsity == 0.95)]
    assert [(one.sparsity, list(one.seeds)) for one in method_differences(kept)] == [(0.9, [0, 1, 2]), (0.95, [0, 2])]


def test_without_examples_groups_or_a_part_apart_from_train_nothing_is_said(drawn):
    runs = drawn({"nft": (0.9, 0.9, 0.7), "ceag": (0.9, 0.9, 0.8)})
    assert method_differences([replace(run, members={}) for run in runs]) == []
    assert method_differences([replace(run, outcomes={}) for run in runs]) == []
    train = drawn({"nft": (0.9, 0.9, 0.7), "ceag": (0.9, 0.9, 0.8)}, splits=("train",))
    assert method_differences(train) == []
    moved = [replace(run, members={"test": GROUPS.flip(0)}) if run.seed == 1 else run for run in runs]
    assert method_differences(moved) == []
    assert method_differences([run for run in runs if run.method == "nft"]) == []


def test_a_comparison_keeps_them_and_the_tables_tell_them(drawn, tmp_path):
    runs = drawn({"nft": (0.9, 0.9, 0.6), "ceag": (0.85, 0.85, 0.84)})
    found, verdict = method_differences(runs), verdict_on(runs)
    assert list(read_differences(plain_differences(found))) == [replace(one, seeds=list(one.seeds)) for one in found]
    Comparison(runs, verdict, {}, {}, found).save(tmp_path)
    assert list(Comparison.load(tmp_path).differences) == found
    text = all_groups_markdown(summarise(runs), runs, verdict, found)
    assert f"- ceag {difference_sentence(found[0])}".replace("_", "\\_") in text
    write_differences_csv(found, tmp_path / "method_differences.csv")
    with (tmp_path / "method_differences.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["group_name"] for line in lines] == list(NAMES)
    assert float(lines[2]["excess_gap_difference"]) == pytest.approx(100 * found[0].groups[2].value, abs=1e-4)
    assert float(lines[2]["excess_gap_difference_low"]) == pytest.approx(100 * found[0].groups[2].low, abs=1e-4)
