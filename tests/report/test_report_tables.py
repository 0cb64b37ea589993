"""Terminal and Markdown tables. Truth: numpy means over the records; the printed text itself."""

from dataclasses import replace

import numpy as np
import pytest
from report.judging import verdict_on
from rich.console import Console

from prunegap.errors import UserError
from prunegap.report.summary import summarise
from prunegap.report.tables import all_groups_markdown, comparison_table, group_table, markdown_table


def printed(table):
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table)
    console.file.close()
    return console.export_text()


def mean_excess(evaluations, method, split, name):
    values = [
        group.value("excess_gap")
        for run in evaluations
        if run.method == method
        for group in run.splits[split].groups
        if group.name == name
    ]
    return 100 * np.mean(values), 100 * np.std(values, ddof=1) if len(values) > 1 else None


def test_the_comparison_shows_mean_and_deviation_and_feasibility_in_words(simulate):
    evaluations = simulate(per_group=400)
    rows = summarise(evaluations)
    text = printed(comparison_table(rows, "train"))
    accuracies = [100 * run.splits["train"].value("accuracy") for run in evaluations if run.method == "ceag"]
    line = next(line for line in text.splitlines() if " ceag " in line)
    assert f"{np.mean(accuracies):.2f} ± {np.std(accuracies, ddof=1):.2f}" in line
    feasible = next(row for row in rows if row.method == "ceag")
    assert f"{'yes' if feasible.feasible_on_train else 'no'} {feasible.feasible_seeds}/3" in line
    assert {row.feasible_on_train for row in rows} == {True, False}
    assert "over 3 seeds" in text


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("count", [3, 10, 100])
def test_tables_fit_100_columns_without_cutting_a_number(simulate, seeds, count):
    methods = (
        "nft",
        "nft_es",
        "el_rb",
        "ceag_no_rb",
        "ceag",
        "approx_equal_eag",
        "two_sided_eag",
        "pairwise",
    )
    names = [f"Southeast Asian female {index}" for index in range(count)]
    evaluations = simulate(names=names, seeds=seeds, methods=methods, sparsities=(0.9, 0.925), per_group=20)
    comparison = printed(comparison_table(summarise(evaluations), "train"))
    groups = printed(group_table(evaluations, 0.9, "test"))
    assert max(map(len, (comparison + groups).splitlines())) <= 100
    for row in summarise(evaluations):
        assert f"{100 * row.splits['train']['max_psi'].mean:.2f}" in comparison
    at_90 = [one for one in evaluations if one.sparsity == 0.9]
    for method in methods:
        assert method in groups
        worst = max(mean_excess(at_90, method, "test", name)[0] for name in names)
        assert f"▲ {worst:+z.1f} [" in groups


def test_limits_and_verdicts_of_several_seeds_fit_too_and_no_name_or_figure_is_cut(simulate):
    evaluations = simulate(seeds=(0, 1, 2, 3, 4), methods=("nft", "el_rb", "ceag"), per_group=400)
    verdict = verdict_on(evaluations, tolerance=0.05)
    rows = summarise(evaluations, verdict)
    assert any(len([count for count in row.verdicts.values() if count]) > 1 for row in rows), "a long cell"
    text = printed(comparison_table(rows, "test"))
    assert max(map(len, text.splitlines())) <= 100
    for row in rows:
        line = next(line for line in text.splitlines() if f" {row.shown_name} " in line)
        for name in ("max_psi", "psi_pw"):
            figure = row.splits["test"][name]
            assert figure.low is not None
            assert figure.high is not None
            assert f"{100 * figure.mean:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]" in line
    words = " ".join(text.split())
    assert "undecidable" in words


def test_on_the_judged_part_the_tolerance_is_that_of_the_verdict(simulate):
    evaluations = simulate(per_group=400, tolerance=0.02, seeds=(0,))
    wide = verdict_on(evaluations, tolerance=0.5)
    assert "! " in printed(group_table(evaluations, 0.9, "test"))
    judged = printed(group_table(evaluations, 0.9, "test", wide))
    assert judged.count("!") == 1, "in the note alone"
    assert printed(group_table(evaluations, 0.9, "train", wide)) == printed(group_table(evaluations, 0.9, "train"))


def test_the_worst_group_of_each_method_is_marked_and_gaps_above_tolerance_too(simulate):
    """On train, where the examples are all there are."""
    evaluations = simulate(per_group=400, tolerance=0.02)
    text = printed(group_table(evaluations, 0.9, "train"))
    for method in ("nft", "ceag"):
        means = {
            n: mean_excess(evaluations, method, "train", n) for n in ("White", "Black", "Asian", "Indian", "Others")
        }
        worst = max(means, key=lambda name: means[name][0])
        line = next(line for line in text.splitlines() if line.strip().startswith(worst))
        mean, sd = means[worst]
        sign = "! ▲" if mean > 2 else "▲"
        assert f"{sign} {mean:+.2f} ± {sd:.2f}" in line
    assert text.count("▲") == 3 + 1
    above = [mean_excess(evaluations, m, "train", n)[0] > 2 for m in ("nft", "el_rb", "ceag") for n in means]
    assert text.count("!") == sum(above) + 1


def test_on_examples_not_trained_on_a_gap_is_above_the_tolerance_only_with_all_of_its_limits(simulate):
    evaluations = simulate(per_group=400, tolerance=0.02, seeds=(0,))
    lines = printed(group_table(evaluations, 0.9, "test")).splitlines()
    marked = {"above": 0, "open": 0}
    for run in evaluations:
        for group in run.splits["test"].groups:
            one = group.estimate("excess_gap")
            cell = f"{100 * one.value:+z.1f} [{100 * one.low:z.1f}, {100 * one.high:z.1f}]"
            line = next(line for line in lines if line.strip().startswith(group.name) and cell in line)
            before = line[: line.index(cell)].rstrip(" ▲")
            assert before.endswith("!") is (one.low > 0.02)
            marked["above" if one.low > 0.02 else "open"] += one.value > 0.02
    assert all(marked.values())


def test_of_many_groups_the_ten_worst_are_shown_and_the_rest_is_counted(simulate):
    names = [f"class {index}" for index in range(13)]
    evaluations = simulate(names=names, seeds=(0,), methods=("nft",))
    text = printed(group_table(evaluations, 0.9, "test"))
    means = {name: mean_excess(evaluations, "nft", "test", name)[0] for name in names}
    kept = sorted(means, key=lambda name: -means[name])
    shown = [name for name in names if f" {name} " in text]
    assert len(shown) == 10
    assert min(means[name] for name in shown) >= means[kept[9]] - 1e-12
    assert "The 10 worst of 13 groups; 3 are left out" in " ".join(text.split())
    everything = printed(group_table(simulate(names=names[:12], seeds=(0,), methods=("nft",)), 0.9, "test"))
    assert all(f" {name} " in everything for name in names[:12])
    assert "left out" not in everything


def test_a_group_without_examples_has_a_dash_and_is_never_the_worst(simulate):
    text = printed(group_table(simulate(empty_group=True), 0.9, "train"))
    line = next(line for line in text.splitlines() if line.strip().startswith("Others"))
    assert line.split() == ["Others", "0", "–", "–", "–"]


def test_markup_in_a_name_is_printed_as_it_is(simulate):
    names = ("[red]a[/red]", "[bold", "c")
    text = printed(group_table(simulate(names=names), 0.9, "train"))
    assert all(name in text for name in names)


def test_markdown_escapes_pipes_and_tags_and_has_one_line_a_row(simulate):
    evaluations = [replace(one, method="a|<b>_") if one.method == "nft" else one for one in simulate()]
    text = markdown_table(summarise(evaluations))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3
    assert "a\\|&lt;b&gt;\\_" in lines[2]
    assert {line.replace("\\|", "").count("|") for line in lines} == {11}


def test_several_data_sets_are_told_apart_in_the_comparison_but_never_share_a_group_table(simulate):
    mixed = [*simulate(seeds=(0,)), *(replace(one, dataset="digits") for one in simulate(seeds=(0,)))]
    text = markdown_table(summarise(mixed))
    assert "faces race / race" in text
    assert "digits race / race" in text
    with pytest.raises(UserError, match=r"got digits/race/race, faces/race/race; compare one at a time"):
        group_table(mixed, 0.9, "train")


def test_an_unknown_sparsity_or_split_names_those_there_are(simulate):
    with pytest.raises(UserError, match=r"split 'test' at 50 % sparsity; sparsities: 90; splits: train, test"):
        group_table(simulate(), 0.5, "test")
    with pytest.raises(UserError, match=r"no evaluation to compare"):
        group_table([], 0.5, "test")


def test_the_groups_of_all_methods_stand_below_the_verdict_of_their_sparsity(simulate):
    evaluations = simulate(per_group=400, sparsities=(0.9, 0.95), names=["A|B", "C", "D"])
    rows = summarise(evaluations)
    text = all_groups_markdown(rows, evaluations, verdict_on(evaluations))
    first, second = text.split("## ")[1:]
    assert (first.splitlines()[0], second.splitlines()[0]) == ("90 % sparsity", "95 % sparsity")
    for part, sparsity in ((first, 0.9), (second, 0.95)):
        verdict = next(line for line in part.splitlines() if "easible on train" in line)
        met = {row.shown_name: row.feasible_on_train for row in rows if row.sparsity == sparsity}
        assert verdict.startswith("Feasible on train at ") is any(met.values())
        assert all(name.replace("_", "\\_") in verdict for name in met)
        assert part.index(verdict) < part.index("| group |")
        assert f"at {100 * sparsity:g} % sparsity" in part
        for split in ("train", "test"):
            worst, _ = mean_excess([one for one in evaluations if one.sparsity == sparsity], "nft", split, "D")
            assert (f"{worst:+.2f} ±" if split == "train" else f"{worst:+.1f} \\[") in part
        assert "| A\\|B |" in part


def test_a_sparsity_that_lacks_a_split_has_no_table_of_it(simulate):
    evaluations = simulate(sparsities=(0.9,)) + simulate(sparsities=(0.95,), splits=("test",))
    first, second = all_groups_markdown(summarise(evaluations), evaluations, verdict_on(evaluations)).split("## ")[1:]
    assert "on train at 90 % sparsity" in first
    assert "on train at 95 % sparsity" not in second.replace("feasible on train", "")
