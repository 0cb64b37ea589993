"""Truth: the formula of planning by hand, and a data set whose groups are known."""

import subprocess
import sys
from math import ceil, sqrt
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import binomtest, norm

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.identity import Identity
from prunegap.artifacts.manifest import seal
from prunegap.gaps import Outcomes


def plan(*words: object) -> SimpleNamespace:
    command = [sys.executable, "-m", "prunegap", *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return SimpleNamespace(code=ended.returncode, lines=ended.stdout.splitlines(), err=ended.stderr)


def test_sizes_and_churn_say_what_can_be_certified() -> None:
    quantiles = norm.isf(0.05) + norm.isf(0.2 / 4)
    wanted = ceil((quantiles / 0.03) ** 2 * 0.12)
    ended = plan("plan", "--groups", "343,1700,800,0", "--churn", "0.12", "--tolerance", "0.03")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines[0] == (
        f"3 points can be certified for 1 of 4 groups at a churn of 12 %: {wanted} examples each are needed"
    )
    points = [f"{100 * quantiles * sqrt(0.12 / n):.2f}" for n in (343, 1700, 800)]
    assert [line.split() for line in ended.lines[3:]] == [
        ["1", "343", points[0], str(wanted - 343)],
        ["2", "1700", points[1], "-"],
        ["3", "800", points[2], str(wanted - 800)],
        ["4", "0", "nothing", str(wanted)],
    ]
    assert (
        plan("plan", "--groups", "9000,9000", "--churn", "0.1", "--tolerance", "0.05")
        .lines[0]
        .startswith("5 points can be certified for all of 2 groups")
    )


def test_a_dataset_artifact_says_the_sizes_itself(tmp_path: Path) -> None:
    made = plan("prepare_data", "--dataset", tmp_path / "dataset")
    assert made.code == 0, made.err
    ended = plan("plan", "--dataset", tmp_path / "dataset", "--churn", "0.1", "--tolerance", "0.1")
    sizes = [int(line.split()[1]) for line in ended.lines[3:]]
    assert (len(sizes), sum(sizes)) == (10, 360)
    ended = plan("plan", "--dataset", tmp_path / "dataset", "--split", "tset", "--churn", "0.1", "--tolerance", "0.1")
    assert (ended.code, "has no such part; did you mean 'test'?" in ended.err) == (1, True)


def baseline(folder: Path, wrong: list[int], data: str = "d") -> Path:
    """A baseline of 200 test examples of which some are wrong."""
    right = torch.ones(200, dtype=torch.bool)
    right[wrong] = False
    staging = folder.with_name(f"{folder.name}-made")
    staging.mkdir()
    Baseline({"test": Outcomes(right.long(), torch.zeros(200), right)}, {}).save(staging)
    seal(staging, folder, kind="baseline", identity=Identity(inputs={"dataset": data}), made_on={})
    return folder


def test_two_dense_models_say_the_churn_themselves(tmp_path: Path) -> None:
    first, second = baseline(tmp_path / "a", [0, 1, 2, 3]), baseline(tmp_path / "b", [2, 3, 4, 5, 6, 7])
    usual = ("plan", "--groups", "100,100", "--tolerance", "0.1", "--baseline", first)
    ended = plan(*usual, "--baseline", second)
    limits = binomtest(6, 200).proportion_ci(0.95, method="exact")
    assert ended.lines[0] == (
        f"churn between the two dense models: 3 % ({100 * limits.low:.2f} to {100 * limits.high:.2f} % with 95 %)"
    )
    assert ended.lines[1:] == plan("plan", "--groups", "100,100", "--tolerance", "0.1", "--churn", "0.03").lines
    other = baseline(tmp_path / "c", [0], data="e")
    for words, said in (
        (usual, "say the churn with --churn, or name the baselines of two dense models"),
        ((*usual, "--baseline", second, "--churn", "0.1"), "say the churn with --churn, or name the baselines"),
        ((*usual, "--baseline", other), "are of different data; give those of one data set"),
        ((*usual, "--baseline", first), "agree on every example of test; are they of different seeds?"),
        ((*usual, "--baseline", second, "--split", "tets"), "the baselines have no such part; did you mean 'test'?"),
    ):
        ended = plan(*words)
        assert (ended.code, said in ended.err) == (1, True), ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--churn", "0.1", "--tolerance", "0.1"), "give the sizes of the groups with --groups, or a data set"),
        (("--groups", "5,x", "--churn", "0.1", "--tolerance", "0.1"), "must be whole numbers with commas"),
        (("--groups", "5,-1", "--churn", "0.1", "--tolerance", "0.1"), "a group cannot have -1 examples"),
        (("--groups", "5", "--churn", "0.1", "--tolerance", "0.1"), "an excess gap needs two groups or more, got 1"),
        (("--groups", "5,5", "--churn", "0", "--tolerance", "0.1"), "churn must be inside (0, 1], got 0.0"),
        (("--groups", "5,5", "--churn", "0.1", "--tolerance", "0"), "tolerance must be > 0 to plan for, got 0.0"),
        (("--groups", "5,5", "--churn", "0.1", "--tolerance", "0.1", "--alpha", "1"), "--alpha: must be inside (0, 1)"),
        (("--dataset", "nowhere", "--churn", "0.1", "--tolerance", "0.1"), "nowhere: no dataset artifact there"),
    ],
)
def test_what_cannot_be_planned_for_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    ended = plan("plan", *words)
    assert (ended.code, ended.err.count("\n"), said in ended.err) == (1, 1, True), ended.err
