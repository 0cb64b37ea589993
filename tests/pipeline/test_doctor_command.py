"""``prunegap doctor``. Truth: a run's own baseline and evaluations, scipy's ranks, correlations and binomial tails."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pipeline.program import Program
from pipeline.workspaces import snapshot, write_experiment
from scipy.stats import binom, rankdata, spearmanr

from prunegap.artifacts.evaluation import Evaluation
from prunegap.cli.entry import cli
from prunegap.errors import UserError

DENSE, DATASET = Path("steps/acquire_dense/dense_model"), Path("steps/prepare_data/dataset")


def doctor(*words: object, folder: Path) -> SimpleNamespace:
    file = folder / "doctor.json"
    ended = CliRunner().invoke(cli, ["doctor", "--threads", "1", "--json", str(file), *map(str, words)])
    if isinstance(ended.exception, UserError):
        return SimpleNamespace(refused=str(ended.exception))
    assert ended.exit_code == 0, ended.output
    return SimpleNamespace(lines=ended.stdout.splitlines(), models=json.loads(file.read_text())["models"])


def groups_of(model: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in model["groups"]}


def baseline(run: Path) -> dict[str, Any]:
    return json.loads((run / "steps/measure_baseline/baseline/baseline.json").read_text())


@pytest.fixture(scope="module")
def told(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    before = snapshot(finished)
    found = doctor(finished, folder=tmp_path_factory.mktemp("doctor"))
    assert snapshot(finished) == before
    return found


def test_accuracies_and_losses_are_those_of_the_runs_baseline(told: SimpleNamespace, finished: Path) -> None:
    summary = baseline(finished)
    [model] = told.models
    assert (model["split"], model["seed"], len(model["groups"])) == ("validation", 0, 10)
    for name, one in groups_of(model).items():
        train, held_out = (
            {key: summary[split][f"group_{key}"][name] for key in ("count", "accuracy", "loss")}
            for split in ("train", "validation")
        )
        assert one["train"]["examples"] == train["count"]
        assert [one["train"]["accuracy"], one["train"]["loss"]] == pytest.approx(
            [train["accuracy"], train["loss"]], rel=1e-5
        )
        assert one["held_out"]["value"] == pytest.approx(held_out["accuracy"])
        assert one["generalisation_gap"]["value"] == pytest.approx(train["accuracy"] - held_out["accuracy"])


def test_limits_of_held_out_accuracy_are_where_the_binomial_tail_is_a_fortieth(
    told: SimpleNamespace, finished: Path
) -> None:
    counts = baseline(finished)["validation"]["group_count"]
    for name, one in groups_of(told.models[0]).items():
        there, gap = one["held_out"], one["generalisation_gap"]
        examples, right = counts[name], round(there["value"] * counts[name])
        tails = (
            lambda p, n=examples, k=right: binom.sf(k, n, p) + binom.pmf(k, n, p) / 2,
            lambda p, n=examples, k=right: binom.cdf(k - 1, n, p) + binom.pmf(k, n, p) / 2,
        )
        for end, tail in zip((there["low"], there["high"]), tails, strict=True):
            assert end in (0, 1) or tail(end) == pytest.approx(0.025, abs=1e-3)
        accuracy = one["train"]["accuracy"]
        assert [gap["low"], gap["high"]] == pytest.approx([accuracy - there["high"], accuracy - there["low"]])


def test_groups_stand_by_the_mean_of_their_ranks_and_the_first_sentence_names_them(told: SimpleNamespace) -> None:
    [model] = told.models
    ordered = model["groups"]
    figures = [
        [one["train"]["gradient_norm"], one["train"]["eigenvalue"]["value"], one["train"]["closeness"]]
        for one in ordered
    ]
    means = np.mean([rankdata(-column) for column in np.array(figures).T], axis=0)
    assert [one["mean_rank"] for one in ordered] == pytest.approx(means.tolist())
    assert sorted(means) == pytest.approx(means)
    named = ", then ".join(one["name"] for one in ordered[:3])
    assert told.lines[0] == f"Most at risk when small_cnn (seed 0) is pruned: {named}, of 10 groups."
    assert told.lines[1].startswith(f"{ordered[0]['name']}: gradient norm {figures[0][0]:.3g} (")
    assert "This ranks groups and predicts no loss" in told.lines[4]
    names = [line.split()[0] for line in told.lines[told.lines.index("") + 3 :][:10]]
    assert names == [one["name"] for one in ordered]


def test_correlations_are_those_of_the_evaluations_by_group(told: SimpleNamespace, finished: Path) -> None:
    [model] = told.models
    [measured] = model["measured"]
    assert (measured["method"], measured["models"], measured["sparsity"]) == ("nft_es", 1, 0.8)
    evaluation = Evaluation.load(finished / "steps/evaluate-sparsity80-seed0-nft_es/evaluation")
    by_name = groups_of(model)
    assert list(measured["correlations"]) == ["train", "test"]
    for split, found in measured["correlations"].items():
        groups = evaluation.splits[split].groups
        gaps = [one.value("gap") for one in groups]  # the same ranks as excess gaps
        mine = [by_name[one.name] for one in groups]
        figures = {
            "ranking": [-one["mean_rank"] for one in mine],
            "gradient_norm": [one["train"]["gradient_norm"] for one in mine],
            "eigenvalue": [one["train"]["eigenvalue"]["value"] for one in mine],
            "closeness": [one["train"]["closeness"] for one in mine],
            "generalisation_gap": [one["generalisation_gap"]["value"] for one in mine],
            "examples": [one["train"]["examples"] for one in mine],
        }
        assert set(found) == set(figures)
        for name, values in figures.items():
            rho, p = map(float, spearmanr(values, gaps))  # pyright: ignore[reportArgumentType]
            assert found[name]["value"] == pytest.approx(rho, abs=1e-6)
            assert found[name]["p"] == pytest.approx(p, abs=0.05)
            assert found[name]["groups"] == 10
    shown = next(line for line in told.lines if line.startswith("After nft_es at 80 % sparsity: the ranking"))
    assert f"{measured['correlations']['test']['ranking']['value']:+.2f} on test" in shown


def test_without_the_hessian_the_ranking_is_by_the_other_two(finished: Path, tmp_path: Path) -> None:
    found = doctor(finished, "--no-hessian", folder=tmp_path)
    ordered = found.models[0]["groups"]
    assert all(one["train"]["eigenvalue"] is None for one in ordered)
    figures = np.array([[one["train"]["gradient_norm"], one["train"]["closeness"]] for one in ordered])
    means = np.mean([rankdata(-column) for column in figures.T], axis=0)
    assert [one["mean_rank"] for one in ordered] == pytest.approx(means.tolist())
    assert "Eigenvalues were left out; they are no part of the ranking." in found.lines


def test_a_bound_on_examples_is_kept_and_told(finished: Path, told: SimpleNamespace, tmp_path: Path) -> None:
    found = doctor(finished, "--examples", 20, folder=tmp_path)
    assert {one["train"]["hessian_examples"] for one in found.models[0]["groups"]} == {20}
    note = "Eigenvalues are of at most 20 examples a group, drawn with seed 0 (--examples takes more)."
    assert note in found.lines
    assert not any(line.startswith("Eigenvalues are of at most") for line in told.lines)
    few, whole = (groups_of(one.models[0]) for one in (found, told))
    assert all(
        few[name]["train"]["eigenvalue"]["value"] != whole[name]["train"]["eigenvalue"]["value"]
        and few[name]["train"]["gradient_norm"] == whole[name]["train"]["gradient_norm"]
        for name in whole
    )


def test_a_dense_model_and_its_data_are_enough(finished: Path, told: SimpleNamespace, tmp_path: Path) -> None:
    found = doctor(finished / DENSE, "--dataset", finished / DATASET, folder=tmp_path)
    assert found.models[0]["groups"] == told.models[0]["groups"]
    assert found.models[0]["measured"] == []
    assert not any("Spearman" in line for line in found.lines)


@pytest.mark.slow
def test_of_a_grid_plain_fine_tuning_counts_at_each_sparsity_over_its_seeds(
    finished_grid: Path, tmp_path: Path
) -> None:
    found = doctor(finished_grid, "--no-hessian", folder=tmp_path)
    [model] = found.models
    told = [(one["method"], one["sparsity"], one["models"]) for one in model["measured"]]
    assert told == [("nft", 0.8, 2), ("nft", 0.95, 2)]
    evaluations = [
        Evaluation.load(finished_grid / f"steps/evaluate-sparsity95-seed{seed}-nft/evaluation") for seed in (0, 1)
    ]
    gaps = np.mean([[one.value("excess_gap") or 0.0 for one in each.splits["test"].groups] for each in evaluations], 0)
    by_name = groups_of(model)
    norms = [by_name[one.name]["train"]["gradient_norm"] for one in evaluations[0].splits["test"].groups]
    rho = float(spearmanr(norms, gaps)[0])  # pyright: ignore[reportArgumentType]
    assert model["measured"][1]["correlations"]["test"]["gradient_norm"]["value"] == pytest.approx(rho, abs=1e-6)


@pytest.mark.slow
def test_of_a_dense_model_a_seed_the_first_is_taken_or_those_that_are_named(tmp_path: Path) -> None:
    quick = {"methods": ["nft"], "acquire_dense": {"epochs": 1}, "prune": {"gmp_epochs": 1, "finetune_epochs": 1}}
    experiment = write_experiment(tmp_path, seeds=[0, 1], dense_seeds="per_seed", **quick)
    run = tmp_path / "run"
    ended = Program(tmp_path)("run", experiment, "--workspace", run, "--no-tracking")
    assert ended.code == 0, ended.err
    first = doctor(run, "--no-hessian", folder=tmp_path)
    assert [one["seed"] for one in first.models] == [0]
    assert first.lines[-1] == "This is the first of 2 dense models; --seed takes one of seed 1."
    both = doctor(run, "--no-hessian", "--seed", 1, "--seed", 0, folder=tmp_path)
    assert [one["seed"] for one in both.models] == [1, 0]
    assert both.models[1] == first.models[0]
    assert both.models[0]["groups"] != first.models[0]["groups"]
    assert [one["models"] for model in both.models for one in model["measured"]] == [1, 1]
    assert not any(line.startswith("This is the first of") for line in both.lines)
    refused = doctor(run, "--seed", 7, folder=tmp_path).refused
    assert refused == f"--seed 7: no dense model of it in {run}; there are those of 0, 1"


def test_what_cannot_be_diagnosed_is_refused_in_one_line(finished: Path, workspace: Path, tmp_path: Path) -> None:
    other = json.loads((workspace / DENSE / "manifest.json").read_text())
    other["identity"]["inputs"]["dataset"] = "0" * 64
    (workspace / DENSE / "manifest.json").write_text(json.dumps(other))
    for words, said in (
        ((tmp_path,), f"{tmp_path}: no dense model there; prunegap run makes one"),
        ((finished / DENSE,), "a model alone says nothing of groups; name its data set with --dataset"),
        ((finished, "--dataset", finished / DATASET), "--dataset goes with a dense model; a run has its own"),
        ((finished / DATASET, "--dataset", finished / DATASET), "expected an artifact of kind 'dense_model'"),
        ((finished, "--examples", 0), "--examples: must be >= 1, got 0; --no-hessian leaves"),
        ((finished, "--threads", -1), "--threads: must be >= 0, got -1"),
        ((workspace,), "was made from another data set than lies in"),
    ):
        refused = doctor(*words, folder=tmp_path).refused
        assert said in refused
        assert "\n" not in refused


def test_a_changed_model_is_refused(workspace: Path, tmp_path: Path) -> None:
    weights = workspace / DENSE / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "the file was changed or damaged" in doctor(workspace, folder=tmp_path).refused
