"""Summaries and CSV files. Truth: a recomputation with numpy from the records, and the published header."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from prunegap.errors import UserError
from prunegap.estimate import Estimate
from prunegap.report.groups import write_group_results_csv
from prunegap.report.summary import row_metrics, summarise, write_comparison_csv

PUBLISHED_HEADER = (
    "dataset,target,group,sparsity_percent,method,tolerance_percent,feasible_on_train,"
    "train_accuracy,train_accuracy_sd,train_psi_pw,train_psi_pw_sd,train_max_psi,train_max_psi_sd,"
    "test_accuracy,test_accuracy_sd,test_psi_pw,test_psi_pw_sd,test_max_psi,test_max_psi_sd"
)
FIGURES = (
    "dense_accuracy",
    "accuracy",
    "dense_loss",
    "loss",
    "overall_gap",
    "max_psi",
    "psi_pw",
    "churn",
    "excessive_loss_spread",
    "group_accuracy_spread",
)


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_mean_and_sample_standard_deviation_equals_numpy(simulate):
    evaluations = simulate(seeds=(3, 1, 4, 7), sparsities=(0.85, 0.925))
    rows = summarise(evaluations)
    assert [(row.sparsity, row.method) for row in rows] == [
        (sparsity, method) for sparsity in (0.85, 0.925) for method in ("nft", "el_rb", "ceag")
    ]
    for row in rows:
        runs = [one for one in evaluations if (one.sparsity, one.method) == (row.sparsity, row.method)]
        assert row.seeds == (3, 1, 4, 7)
        for split in ("train", "test"):
            for name in FIGURES:
                values = np.array([run.splits[split].value(name) for run in runs])
                figure = row.splits[split][name]
                assert figure.mean == pytest.approx(values.mean(), abs=1e-12)
                assert figure.sd == pytest.approx(values.std(ddof=1), abs=1e-12)
                assert figure.count == 4
        assert row.seconds.mean == pytest.approx(np.mean([run.seconds for run in runs]))
        assert row.achieved_sparsity.sd == pytest.approx(np.std([run.achieved_sparsity for run in runs], ddof=1))


def test_rows_come_in_order_of_first_appearance_whatever_the_order_of_runs(simulate):
    evaluations = simulate(seeds=(0, 1))
    mixed = [evaluations[4], *evaluations[:4], evaluations[5]]
    assert [row.method for row in summarise(mixed)] == ["el_rb", "nft", "ceag"]


def test_a_method_is_feasible_by_the_mean_over_seeds_and_not_by_a_vote(simulate):
    low, high, low_too = simulate(methods=("ceag",))

    def with_max_psi(run, value):
        overall = {**run.splits["train"].overall, "max_psi": Estimate(value)}
        train = replace(run.splits["train"], overall=overall, feasible=value <= run.tolerance)
        return replace(run, splits={**run.splits, "train": train})

    mostly = [with_max_psi(low, 0.01), with_max_psi(high, 0.09), with_max_psi(low_too, 0.02)]
    (row,) = summarise(mostly)
    assert (row.feasible_on_train, row.feasible_seeds) == (False, 2)
    exactly = [with_max_psi(run, 0.03) for run in (low, high, low_too)]
    assert summarise(exactly)[0].feasible_on_train is True


def test_the_csv_starts_with_the_published_columns_and_holds_percent(simulate, tmp_path):
    rows = summarise(simulate(sparsities=(0.925,)))
    write_comparison_csv(rows, tmp_path / "comparison.csv")
    header = (tmp_path / "comparison.csv").read_text().splitlines()[0]
    assert header.startswith(PUBLISHED_HEADER + ",feasible_seeds,seeds,train_churn,train_churn_sd,")
    assert len(set(header.split(","))) == len(header.split(","))
    for row, line in zip(rows, read(tmp_path / "comparison.csv"), strict=True):
        assert (line["sparsity_percent"], line["tolerance_percent"], line["seeds"]) == ("92.5", "3", "3")
        assert line["feasible_on_train"] == ("yes" if row.splits["train"]["max_psi"].mean <= 0.03 else "no")
        for split in ("train", "test"):
            for name in FIGURES:
                scale = 1 if "loss" in name else 100
                figure = row.splits[split][name]
                assert figure.sd is not None
                assert float(line[f"{split}_{name}"]) == pytest.approx(scale * figure.mean, abs=6e-4)
                assert float(line[f"{split}_{name}_sd"]) == pytest.approx(scale * figure.sd, abs=6e-4)
        assert float(line["seconds"]) == pytest.approx(row.seconds.mean, abs=1e-3)
        assert float(line["achieved_sparsity_percent"]) == pytest.approx(92.6)
        assert line["validation_accuracy"] == ""


def test_a_label_is_the_name_in_rows_and_files_and_keeps_runs_of_one_method_apart(simulate, tmp_path):
    plain = simulate(methods=("ceag",))
    labelled = [replace(run, label="ceag_k5") for run in plain]
    rows = summarise([*plain, *labelled])
    assert [(row.method, row.label, row.shown_name, len(row.seeds)) for row in rows] == [
        ("ceag", "", "ceag", 3),
        ("ceag", "ceag_k5", "ceag_k5", 3),
    ]
    write_comparison_csv(rows, tmp_path / "comparison.csv")
    assert [line["method"] for line in read(tmp_path / "comparison.csv")] == ["ceag", "ceag_k5"]
    write_group_results_csv(labelled, tmp_path / "group_results.csv")
    assert {line["method"] for line in read(tmp_path / "group_results.csv")} == {"ceag_k5"}
    assert row_metrics(rows[1]).keys() == {
        "feasible on train/ceag_k5 90",
        *(
            f"{split} {name}/ceag_k5 90"
            for split in ("train", "test")
            for name in ("accuracy", "max psi", "Psi_PW", "churn")
        ),
    }


def test_one_seed_leaves_standard_deviations_blank(simulate, tmp_path):
    write_comparison_csv(summarise(simulate(seeds=(0,))), tmp_path / "comparison.csv")
    for line in read(tmp_path / "comparison.csv"):
        assert {value for name, value in line.items() if name.endswith("_sd")} == {""}
        assert float(line["test_accuracy"]) > 50


def test_a_split_that_was_not_evaluated_is_blank(simulate, tmp_path):
    train_only = simulate(splits=("train", "validation"))
    write_comparison_csv(summarise(train_only), tmp_path / "comparison.csv")
    for line in read(tmp_path / "comparison.csv"):
        assert line["test_accuracy"] == line["test_max_psi_sd"] == ""
        assert float(line["validation_accuracy"]) > 50
    write_comparison_csv(summarise(simulate(splits=("test",))), tmp_path / "comparison.csv")
    assert {line["feasible_on_train"] + line["feasible_seeds"] for line in read(tmp_path / "comparison.csv")} == {""}


def test_no_figure_is_written_as_minus_zero(simulate, tmp_path):
    (run,) = simulate(methods=("nft",), seeds=(0,))
    test = run.splits["test"]
    test = replace(test, overall={**test.overall, "overall_gap": Estimate(-1e-9)})
    write_comparison_csv(summarise([replace(run, splits={"test": test})]), tmp_path / "comparison.csv")
    assert read(tmp_path / "comparison.csv")[0]["test_overall_gap"] == "0.000"


def test_group_results_hold_every_field_of_every_group_once(simulate, tmp_path):
    evaluations = simulate(seeds=(0, 1), empty_group=True)
    write_group_results_csv(evaluations, tmp_path / "group_results.csv")
    lines = read(tmp_path / "group_results.csv")
    expected = [
        (run, split, group) for run in evaluations for split, result in run.splits.items() for group in result.groups
    ]
    assert len(lines) == len(expected) == 2 * 3 * 2 * 5
    for line, (run, split, group) in zip(lines, expected, strict=True):
        assert (line["seed"], line["method"], line["split"]) == (str(run.seed), run.method, split)
        assert (line["group_name"], line["count"]) == (group.name, str(group.count))
        for name in (
            "dense_accuracy",
            "accuracy",
            "dense_loss",
            "loss",
            "gap",
            "excess_gap",
            "churn",
            "excessive_loss",
        ):
            value = group.value(name)
            if group.name == "Others":
                assert value is None
                assert line[name] == ""
            else:
                assert float(line[name]) == pytest.approx(value * (1 if "loss" in name else 100), abs=6e-5)


def test_runs_that_cannot_be_averaged_are_refused_in_one_line(simulate, tmp_path):
    first, second = simulate(methods=("ceag",), seeds=(0, 1))
    with pytest.raises(UserError, match=r"method 'ceag' at 90 % sparsity: seed 0 is evaluated twice"):
        summarise([first, first])
    with pytest.raises(UserError, match=r"tolerances of 1 and 3 points cannot be averaged"):
        summarise([first, replace(second, tolerance=0.01)])
    with pytest.raises(UserError, match=r"method 'ceag' at 90 %.*runs of ceag and nft share this name"):
        summarise([first, replace(second, method="nft", label="ceag")])
    with pytest.raises(UserError, match=r"models other and small_cnn cannot be averaged"):
        summarise([first, replace(second, model="other")])
    with pytest.raises(UserError, match=r"sparsities 0\.9 and 0\.9000000001 are both written 90 %; compare them apart"):
        summarise([first, replace(first, sparsity=0.9000000001)])
    with pytest.raises(UserError, match=r"comparison.csv: no evaluation to compare"):
        write_comparison_csv([], tmp_path / "comparison.csv")
    with pytest.raises(UserError, match=r"no evaluation to list"):
        write_group_results_csv([], tmp_path / "group_results.csv")
