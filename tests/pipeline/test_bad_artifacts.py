"""Truth: finished artifacts, one of them spoiled, mixed up or put in the way; the message must name it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pipeline.program import Ended, Program
from pipeline.workspaces import half_written, snapshot, weights, write_experiment
from safetensors.torch import load_file, save_file

from prunegap.digests import sha256_of

CELL = "sparsity80-seed0"
MADE_AGAIN = "and run the stage that wrote it, or the whole run, again"
Flags = Callable[..., list[object]]


@pytest.fixture
def steps(workspace: Path) -> Path:
    return workspace / "steps"


@pytest.fixture
def flags(steps: Path, tmp_path: Path) -> Flags:
    """Return a function that gives the flags of a stage's artifacts; a keyword replaces one of them."""
    usual = {
        "dataset": steps / "prepare_data/dataset",
        "dense_model": steps / "acquire_dense/dense_model",
        "baseline": steps / "measure_baseline/baseline",
        "sparse_model": steps / f"prune-{CELL}/sparse_model",
        "finetuned_model": tmp_path / "new/finetuned_model",
        "history": tmp_path / "new/history",
    }

    def words(*names: str, **changes: Path) -> list[object]:
        paths = {name: usual[name] for name in names} | changes
        return [word for name, path in paths.items() for word in ("--" + name.replace("_", "-"), path)]

    return words


PRUNE = ("dataset", "dense_model", "baseline", "sparse_model", "history")
FINETUNE = ("dataset", "baseline", "sparse_model", "finetuned_model", "history")


def refused(ended: Ended, folder: Path) -> str:
    assert ended.code == 1, ended
    assert ended.err == f"error: {ended.error_lines[0]}\n", ended.err
    assert half_written(folder) == []
    return ended.error_lines[0]


def test_an_artifact_of_the_wrong_kind_or_none_is_refused(
    program: Program, flags: Flags, steps: Path, tmp_path: Path
) -> None:
    dense = steps / "acquire_dense/dense_model"
    line = refused(program("finetune", *flags(*FINETUNE, dataset=dense)), tmp_path)
    assert line == f"{dense}: expected an artifact of kind 'dataset', found 'dense_model'; name the right folder"
    line = refused(program("finetune", *flags(*FINETUNE, dataset=Path("nowhere"))), tmp_path)
    assert line == "nowhere: no dataset artifact there (manifest.json is missing); name the folder a stage wrote"
    assert not any(path.is_file() for path in (tmp_path / "new").rglob("*"))


def test_an_artifact_of_another_schema_version_is_refused_and_a_run_makes_it_again(
    program: Program, flags: Flags, steps: Path, tmp_path: Path, experiment: Path
) -> None:
    manifest = steps / "prepare_data/dataset/manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 2', '"schema_version": 7'))
    line = refused(program("finetune", *flags(*FINETUNE)), tmp_path)
    assert line == (
        f"{manifest.parent}: dataset artifact has schema version 7, this program reads 2; "
        "run the stage that wrote it again"
    )
    ended = program("run", experiment, "--workspace", steps.parent, "--no-tracking")
    assert (ended.code, ended.steps("done")) == (0, ["prepare_data"])  # the same data: nothing after it changes


def test_a_changed_byte_is_found_when_a_later_stage_needs_the_file(
    program: Program, steps: Path, experiment: Path, tmp_path: Path
) -> None:
    damaged = steps / f"prune-{CELL}/sparse_model/weights.safetensors"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    command = ("run", experiment, "--workspace", steps.parent, "--no-tracking")
    assert program(*command).code == 0  # nothing needs it
    ended = program(*command, "--from", "finetune")
    assert ended.code == 1
    [line] = ended.error_lines
    assert line.startswith(f"finetune-{CELL}-nft_es: {damaged}: the file was changed or damaged (sha256 is ")
    assert line.endswith(f"; delete {damaged.parent} {MADE_AGAIN}")
    shutil.rmtree(damaged.parent)
    before = weights(steps.parent)
    assert program(*command).code == 0
    assert before.items() < weights(steps.parent).items()
    assert half_written(steps) == []


def test_a_missing_file_of_an_artifact_is_named(program: Program, flags: Flags, steps: Path, tmp_path: Path) -> None:
    (steps / "measure_baseline/baseline/outcomes_train.safetensors").unlink()
    line = refused(program("finetune", *flags(*FINETUNE)), tmp_path)
    baseline = steps / "measure_baseline/baseline"
    assert line == (
        f"{baseline}: baseline artifact lacks its file 'outcomes_train.safetensors'; delete {baseline} {MADE_AGAIN}"
    )


def test_artifacts_of_different_runs_are_not_mixed(program: Program, flags: Flags, steps: Path, tmp_path: Path) -> None:
    """A baseline of another data set, and a pruned model of another dense model."""
    other = tmp_path / "other"
    data, dense, baseline = other / "dataset", other / "dense_model", other / "baseline"
    assert program("prepare_data", "--salt", "other", "--validation-share", 0.1, "--dataset", data).code == 0
    made = program("measure_baseline", *flags("dense_model", dataset=data, baseline=baseline))
    assert made.code == 0, made.err
    line = refused(program("finetune", *flags(*FINETUNE, baseline=baseline)), tmp_path)
    ours = steps / "prepare_data/dataset"
    assert line == f"{baseline}: this baseline was made from another dataset than {ours}; give those of one run"
    trained = program("acquire_dense", *flags("dataset", "history", dense_model=dense), "--epochs", 0, "--seed", 9)
    assert trained.code == 0, trained.err
    assert program("measure_baseline", *flags("dataset", dense_model=dense, baseline=baseline)).code == 0
    line = refused(program("finetune", *flags(*FINETUNE, baseline=baseline)), tmp_path)
    sparse = steps / f"prune-{CELL}/sparse_model"
    assert line == (
        f"{sparse}: this sparse_model was made from another dense_model than {baseline} was; give those of one run"
    )
    line = refused(program("prune", *flags(*PRUNE, dense_model=dense, sparse_model=tmp_path / "new/sparse")), tmp_path)
    ours = steps / "measure_baseline/baseline"
    assert line == f"{ours}: this baseline was made from another dense_model than {dense}; give those of one run"


def test_weights_that_do_not_fit_are_refused_by_layer(
    program: Program, flags: Flags, steps: Path, tmp_path: Path
) -> None:
    dense = steps / "acquire_dense/dense_model"
    state = load_file(dense / "weights.safetensors")
    first, *_, last = state
    state[first] = torch.zeros(3, 3)
    state["extra.weight"] = state.pop(last)
    save_file(state, tmp_path / "other.safetensors")
    words = flags("dataset", "history", dense_model=tmp_path / "new/dense_model")
    line = refused(program("acquire_dense", *words, "--weights", "other.safetensors"), tmp_path)
    assert line.startswith("other.safetensors for model small_cnn: weights do not fit the model: missing: ")
    assert last in line
    assert "unexpected: extra.weight" in line
    assert f"of another shape: {first} (weights (3, 3), model " in line


def test_weights_with_another_sha256_or_from_nowhere_are_refused(
    program: Program, flags: Flags, steps: Path, tmp_path: Path
) -> None:
    file = steps / "acquire_dense/dense_model/weights.safetensors"
    words = flags("dataset", "history", dense_model=tmp_path / "new/dense_model")
    line = refused(program("acquire_dense", *words, "--weights", file, "--sha256", "0123456789"), tmp_path)
    assert line == (
        f"{file}: sha256 is {sha256_of(file)}, expected 0123456789; "
        "the file is another one or damaged: fetch it again or correct the sha256"
    )
    line = refused(program("acquire_dense", *words, "--weights", "nowhere.pt"), tmp_path)
    assert line == "nowhere.pt: no such file of weights"
    line = refused(program("acquire_dense", *words, "--weights", steps / f"prune-{CELL}/sparse_model"), tmp_path)
    assert line.endswith("holds a sparse model (it has masks); name a dense model instead")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said_so_with_the_step_that_wants_it(
    program: Program, workspace: Path, tmp_path: Path
) -> None:
    experiment = write_experiment(tmp_path, device="cuda")
    up_to_date = program("run", experiment, "--workspace", workspace, "--no-tracking")
    assert (up_to_date.code, up_to_date.steps("done")) == (0, []), "where a result is made makes none new"
    ended = program("run", experiment, "--workspace", "elsewhere", "--no-tracking")
    assert ended.code == 1
    assert ended.error_lines == [
        "acquire_dense: device: cuda was asked for, but torch finds no GPU; use device: cpu or auto"
    ]


def test_an_artifact_never_replaces_what_is_not_an_artifact_of_its_kind(
    program: Program, flags: Flags, steps: Path, tmp_path: Path
) -> None:
    before = snapshot(steps)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    line = refused(program("prepare_data", "--dataset", mine), tmp_path)
    assert line == f"{mine}: is there and no artifact, a dataset would replace it; name a new folder"
    line = refused(program("prepare_data", "--dataset", mine / "thesis.txt"), tmp_path)
    assert line.endswith("thesis.txt: is there and no artifact, a dataset would replace it; name a new folder")
    dense = steps / "acquire_dense/dense_model"
    line = refused(program("prune", *flags(*PRUNE, sparse_model=dense)), tmp_path)
    assert line == f"{dense}: holds a dense_model artifact, a sparse_model would replace it; name another folder"
    both = flags("dataset", "baseline", "sparse_model", finetuned_model=mine / "x", history=mine / "x")
    assert refused(program("finetune", *both), tmp_path) == (
        f"{mine / 'x'}: given for two artifacts; name a folder for each"
    )
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert snapshot(steps) == before


def test_a_value_out_of_range_is_refused_by_flag(program: Program, flags: Flags, tmp_path: Path) -> None:
    words = flags(*PRUNE, sparse_model=tmp_path / "new/sparse_model")
    ended = program("prune", *words, "--sparsity", 1.5, "--rule", "globl", "--gmp-epochs", "few", "--milestones", "a,2")
    assert ended.code == 1
    assert sorted(ended.error_lines) == [
        "--gmp-epochs: must be a whole number, got 'few'",
        "--milestones: must be a number, got 'a'",
        "--rule: pruning rule 'globl' is not known; did you mean 'global'?",
        "--sparsity: must be < 1, got '1.5'",
    ]
    ended = program("finetune", *flags(*FINETUNE), "--method", "ceagg")
    assert ended.error_lines == ["--method: method 'ceagg' is not known; did you mean 'ceag'?"]
    assert not any(path.is_file() for path in (tmp_path / "new").rglob("*"))


def test_early_stopping_without_held_out_examples_is_refused(
    program: Program, flags: Flags, steps: Path, tmp_path: Path
) -> None:
    data, baseline, sparse = (tmp_path / "other" / name for name in ("dataset", "baseline", "sparse_model"))
    for words in (
        ("prepare_data", "--dataset", data),
        ("measure_baseline", *flags("dense_model", dataset=data, baseline=baseline)),
        ("prune", *flags(*PRUNE, dataset=data, baseline=baseline, sparse_model=sparse), "--gmp-epochs", 0),
    ):
        assert program(*words).code == 0
    given = flags(*FINETUNE, dataset=data, baseline=baseline, sparse_model=sparse)
    line = refused(program("finetune", *given, "--method", "nft_es"), tmp_path)
    assert line == (
        "method nft_es picks its epoch on held-out examples, and this data set has no validation split; set "
        "prepare_data's validation_share above 0, or use nft_es_on_test, which picks on the test split as the paper did"
    )


def test_an_unreadable_manifest_and_a_damaged_checkpoint_are_named(
    program: Program, flags: Flags, steps: Path, experiment: Path, tmp_path: Path
) -> None:
    dense = steps / "acquire_dense/dense_model"
    (dense / "manifest.json").write_text("{")
    line = refused(program("prune", *flags(*PRUNE, sparse_model=tmp_path / "new/sparse_model")), tmp_path)
    assert line.startswith(f"{dense / 'manifest.json'}: unreadable manifest (")
    checkpoint = dense.with_name("dense_model.checkpoint")
    checkpoint.write_bytes(b"half")
    ended = program("run", experiment, "--workspace", steps.parent, "--no-tracking")
    assert (ended.code, "acquire_dense" in ended.steps("done")) == (0, True)
    assert f"warning: {checkpoint}: a damaged checkpoint, or none (" in ended.err
    assert "training starts over" in ended.err
    assert not checkpoint.exists()
    assert json.loads((dense / "manifest.json").read_text())["kind"] == "dense_model"
