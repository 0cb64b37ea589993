"""A statistic that another package adds is an entry in the table: everything that shows statistics shows it.

Truth: examples counted in the test. The package is a module and a dist-info folder, as an installer leaves them.
"""

import csv
import json
import subprocess
import sys

import pytest
import torch
from report.judging import verdict_on
from rich.console import Console

from prunegap.artifacts.evaluation import (
    Evaluation,
    load_evaluations,
    save_evaluations,
    split_result,
)
from prunegap.artifacts.evaluation_metrics import evaluation_metrics
from prunegap.errors import UserError
from prunegap.extensions import extensions
from prunegap.gaps import Outcomes, compare_outcomes, group_statistics, overall_statistics, quantity_of
from prunegap.report.gallery import draw_all
from prunegap.report.groups import write_group_results_csv
from prunegap.report.html import write_html
from prunegap.report.summary import row_metrics, summarise, write_comparison_csv
from prunegap.report.tables import group_table, groups_markdown, markdown_table

LOST = """
import torch
from prunegap.gaps import GroupStatistic, OverallStatistic, group_means

def lost(pair):
    return pair.dense.correct & ~pair.sparse.correct

def per_group(pair):
    return torch.bincount(pair.groups[lost(pair)], minlength=pair.num_groups).double()

STATISTICS = (
    GroupStatistic("lost", "count", "Examples right before and wrong after.", title="lost examples", of=per_group),
    OverallStatistic("lost_share", "fraction", "Share of examples lost.", of=lambda pair: lost(pair).double().mean()),
)
"""
GROUPS = torch.tensor([0] * 10 + [1] * 10)
NAMES = ["young", "old"]
LOST_BY_GROUP = {"young": 1, "old": 4}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package with one entry point in prunegap.statistics."""

    def package(module, source, point, value):
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[prunegap.statistics]\n{point} = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        extensions.cache_clear()

    yield package
    extensions.cache_clear()


def evaluated(seed=0, method="nft") -> Evaluation:
    """20 examples, all right before pruning; afterwards one of the young and four of the old are lost."""
    right = torch.ones(20, dtype=torch.bool)
    after = right.clone()
    after[[0, 10, 11, 12, 13]] = False
    dense, sparse = (Outcomes(c.long(), torch.zeros(20), c) for c in (right, after))
    measures = compare_outcomes(dense, sparse, GROUPS, 2)
    result = split_result(measures, NAMES, 0.1)
    overall, group = (tuple(map(quantity_of, table())) for table in (overall_statistics, group_statistics))
    return Evaluation(
        dataset="faces", target="race", group="age", model="small_cnn", seed=seed, sparsity=0.9,
        achieved_sparsity=0.9, method=method, label="", summary="", tolerance=0.1, seconds=1.0,
        overall_quantities=overall, group_quantities=group, splits={"train": result, "test": result},
    )  # fmt: skip


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_is_in_every_file_table_plot_page_and_metric(install, tmp_path):
    install("lostpackage", LOST, "lost", "lostpackage:STATISTICS")
    run = evaluated()
    run.save(tmp_path)
    stored = json.loads((tmp_path / "evaluation.json").read_text())
    assert stored["splits"]["test"]["overall"]["lost_share"] == {"value": 0.25}
    assert {
        one["name"]: one["estimates"]["lost"]["value"] for one in stored["splits"]["test"]["groups"]
    } == LOST_BY_GROUP
    metrics = evaluation_metrics(run)
    assert metrics["test/lost_share"] == 0.25
    assert metrics["group_lost_train/old"] == 4

    save_evaluations(tmp_path, [run])
    evaluations = load_evaluations(tmp_path)
    assert evaluations == [run]
    rows = summarise(evaluations)
    assert row_metrics(rows[0])["test lost share/nft 90"] == 0.25
    write_group_results_csv(evaluations, tmp_path / "group_results.csv")
    assert {one["group_name"]: float(one["lost"]) for one in read(tmp_path / "group_results.csv")} == LOST_BY_GROUP
    write_comparison_csv(rows, tmp_path / "comparison.csv")
    assert read(tmp_path / "comparison.csv")[0]["test_lost_share"] == "25.000"
    assert "| test lost share % |" in markdown_table(rows)

    markdown = groups_markdown(run)
    assert "Lost examples on test at 90 % sparsity:\n\n| group | examples | nft |" in markdown
    assert "| old | 10 | 4.0 |" in markdown
    with (tmp_path / "terminal.txt").open("w") as file:
        Console(width=100, file=file).print(group_table(evaluations, 0.9, "test"))
    assert "Lost examples on test" in (tmp_path / "terminal.txt").read_text()

    pictures = draw_all(rows, evaluations, [])
    assert [one.name for one in pictures] == ["group_gaps_90", "group_lost_90", "tradeoff_90"]
    assert "black line" in pictures[0].caption
    assert "black line" not in pictures[1].caption
    write_html(
        rows, evaluations, [], verdict_on(evaluations), tmp_path / "page.html", code_version="1", pictures=pictures
    )
    page = (tmp_path / "page.html").read_text()
    for phrase in ("Lost examples on test at 90 % sparsity", "lost share %", "Share of examples lost."):
        assert phrase in page


def test_evaluations_from_before_and_after_it_was_added_stand_side_by_side(install, tmp_path):
    old = evaluated(method="ceag")
    install("lostpackage", LOST, "lost", "lostpackage:STATISTICS")
    both = [old, evaluated()]
    write_group_results_csv(both, tmp_path / "group_results.csv")
    lines = read(tmp_path / "group_results.csv")
    assert {one["lost"] for one in lines if one["method"] == "ceag"} == {""}
    assert {one["lost"] for one in lines if one["method"] == "nft"} == {"1.0000", "4.0000"}
    write_comparison_csv(summarise(both), tmp_path / "comparison.csv")
    assert [one["test_lost_share"] for one in read(tmp_path / "comparison.csv")] == ["", "25.000"]
    assert "–" in markdown_table(summarise(both))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("STATISTICS = 3", r"entry point mine of prunegap.statistics gives int; it must be a GroupStatistic"),
        (LOST.replace('"lost",', '"churn",'), r"statistic 'churn' is added twice, by entry points gaps and mine"),
        (LOST.replace("pair.num_groups).double()", "5).double()"), r"'lost' gives a tensor of shape \[5\], \[2\] is"),
        ("", r"statistic 'mine' cannot be loaded from wrongpackage:STATISTICS"),
    ],
    ids=["no statistic", "twice", "shape", "nothing there"],
)
def test_one_that_is_wrong_is_refused_by_name(install, monkeypatch, source, message):
    monkeypatch.delitem(sys.modules, "wrongpackage", raising=False)
    install("wrongpackage", source, "mine", "wrongpackage:STATISTICS")
    with pytest.raises(UserError, match=message):
        evaluated()


def test_tables_and_pages_are_made_from_an_evaluation_without_torch(simulate, tmp_path):
    evaluations = simulate()
    save_evaluations(tmp_path, evaluations)
    program = f"""
import sys
from pathlib import Path
from prunegap.artifacts.evaluation import load_evaluations
from prunegap.report.summary import summarise, write_comparison_csv
from prunegap.report.html import write_html
from prunegap.stages.gate import GateParams, gate
from prunegap.report.tables import comparison_table, group_table
folder = Path({str(tmp_path)!r})
runs = load_evaluations(folder)
rows = summarise(runs)
comparison_table(rows, "test"), group_table(runs, 0.9, "test")
write_comparison_csv(rows, folder / "comparison.csv")
write_html(rows, runs, [], gate(GateParams(), tuple(runs)), folder / "page.html", code_version="1", pictures=[])
print(sorted({{name.split(".")[0] for name in sys.modules}} & {{"torch", "matplotlib", "mlflow", "sklearn"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
