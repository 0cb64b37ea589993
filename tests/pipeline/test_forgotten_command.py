"""``prunegap forgotten``. Truth: the predictions that a run's own baselines and evaluations hold, counted singly."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline.workspaces import copy_of

from prunegap.artifacts.baseline import load_outcomes
from prunegap.artifacts.evaluation import Evaluation
from prunegap.cli.entry import cli
from prunegap.errors import UserError


def told(run: Path, *words: str, file: Path | None = None) -> str:
    ended = CliRunner().invoke(cli, ["forgotten", str(run), *words, *(["--json", str(file)] if file else [])])
    if isinstance(ended.exception, UserError):
        return f"refused: {ended.exception}"
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def modal(column: tuple[int, ...]) -> set[int]:
    votes = Counter(column)
    return {name for name, count in votes.items() if count == max(votes.values())}


def test_what_is_forgotten_is_what_the_runs_own_models_predict_otherwise(finished_grid: Path, tmp_path: Path) -> None:
    shown = told(finished_grid, "--method", "ceag_k5", "--split", "train", file=tmp_path / "forgotten.json")
    found = json.loads((tmp_path / "forgotten.json").read_text())["populations"]
    assert [(one["shown_name"], one["sparsity"], one["split"]) for one in found] == [
        ("ceag_k5", 0.8, "train"), ("ceag_k5", 0.95, "train"),
    ]  # fmt: skip
    dense = [load_outcomes(path)["train"].predicted.tolist() for path in finished_grid.glob("steps/*/baseline")]
    for population in found:
        sparsity = f"{100 * population['sparsity']:g}"
        folders = sorted(finished_grid.glob(f"steps/evaluate-sparsity{sparsity}-*-ceag_k5/evaluation"))
        sparse = [load_outcomes(folder)["train"].predicted.tolist() for folder in folders]
        assert (population["dense_models"], population["sparse_models"]) == (len(dense), 2)
        lost = [
            not modal(before) & modal(after)
            for before, after in zip(zip(*dense, strict=True), zip(*sparse, strict=True), strict=True)
        ]
        members = Evaluation.load(folders[0]).members["train"].tolist()
        for number, group in enumerate(Evaluation.load(folders[0]).splits["train"].groups):
            wanted = [place for place, one in enumerate(members) if one == number and lost[place]]
            assert population["places"][group.name] == wanted
        assert population["total"]["forgotten"] == sum(lost) > 0
        assert f"{sum(lost)} of {len(lost)} examples are forgotten: 2 sparse models agree" in shown
    assert "So few models agree by chance" in shown


def test_every_method_is_told_of_the_split_that_models_are_judged_on(finished_grid: Path) -> None:
    shown = told(finished_grid)
    for method in ("nft", "ceag", "ceag_k5"):
        assert f"{method} at 95 % sparsity, test: " in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "ceeg"), "--method: the run has no method 'ceeg'; did you mean 'ceag'?"),
        (("--split", "tset"), "--split: nothing was evaluated on 'tset'; did you mean 'test'?"),
    ],
)
def test_what_is_not_there_is_refused_by_name(finished: Path, words: tuple[str, ...], said: str) -> None:
    assert told(finished, *words) == f"refused: {said}"


def test_a_run_without_its_dense_models_or_without_evaluations_is_refused(finished: Path, tmp_path: Path) -> None:
    run = copy_of(finished, tmp_path / "run")
    shutil.rmtree(run / "steps/measure_baseline")
    assert "was compared with is gone; prunegap run makes anew what is missing" in told(run)
    assert "neither a run with evaluations nor an evaluation" in told(tmp_path)
