"""Truth: the agreed stages and artifacts, the header of the published results, and the run's own second time."""

import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

from pipeline.program import Program
from pipeline.workspaces import METHODS, figures, half_written, manifests, rows_of, snapshot, weights, write_experiment

from prunegap.artifacts.manifest import check
from prunegap.pipeline import STAGES
from prunegap.stages.contract import Port, Stage

PUBLISHED = [
    "dataset", "target", "group", "sparsity_percent", "method", "tolerance_percent", "feasible_on_train",
    "train_accuracy", "train_accuracy_sd", "train_psi_pw", "train_psi_pw_sd", "train_max_psi", "train_max_psi_sd",
    "test_accuracy", "test_accuracy_sd", "test_psi_pw", "test_psi_pw_sd", "test_max_psi", "test_max_psi_sd",
]  # fmt: skip
LABELS = [*METHODS, "ceag_k5"]
CELLS = [f"sparsity{percent}-seed{seed}" for percent, seed in product((80, 95), (0, 1))]


def stage_of(step: str) -> Stage:
    return next(stage for stage in STAGES if step.split("-", maxsplit=1)[0] == stage.name)


def comparison(workspace: Path) -> list[dict[str, str]]:
    return rows_of(workspace / "steps/compare/comparison/comparison.csv")


def test_every_step_leaves_whole_artifacts_of_its_kinds(finished_grid: Path) -> None:
    steps = ["prepare_data", "acquire_dense", "measure_baseline", "gate", "compare"]
    steps += [f"prune-{cell}" for cell in CELLS]
    steps += [f"{stage}-{cell}-{label}" for stage in ("finetune", "evaluate") for cell in CELLS for label in LABELS]
    assert {path.name for path in (finished_grid / "steps").iterdir()} == set(steps)
    for step in steps:
        for port in stage_of(step).outputs:
            assert check(finished_grid / "steps" / step / port.name, port.kind).files
    assert half_written(finished_grid) == []


def test_the_comparison_begins_with_the_columns_of_the_published_results(finished_grid: Path) -> None:
    rows = comparison(finished_grid)
    assert list(rows[0])[: len(PUBLISHED)] == PUBLISHED
    assert [(row["sparsity_percent"], row["method"]) for row in rows] == list(product(("80", "95"), LABELS))
    assert {row["seeds"] for row in rows} == {"2"}


def test_all_methods_of_a_seed_and_sparsity_start_from_the_same_pruned_state(finished_grid: Path) -> None:
    made = manifests(finished_grid)
    starts = {
        cell: {made[f"finetune-{cell}-{label}/finetuned_model"].identity.inputs["sparse_model"] for label in LABELS}
        for cell in CELLS
    }
    assert all(start == {made[f"prune-{cell}/sparse_model"].digest} for cell, start in starts.items())
    assert len(set.union(*starts.values())) == len(CELLS)


def test_a_sparsity_brings_its_own_tolerance_to_fine_tuning_evaluation_and_report(finished_grid: Path) -> None:
    made = manifests(finished_grid)
    for name, manifest in made.items():
        if name.startswith(("finetune", "evaluate")):
            assert manifest.identity.parameters["tolerance"] == (0.3 if "sparsity80" in name else 0.04)
    assert {(row["sparsity_percent"], row["tolerance_percent"]) for row in comparison(finished_grid)} == {
        ("80", "30"),
        ("95", "4"),
    }


def test_the_same_method_twice_differs_by_its_label_and_its_settings(finished_grid: Path) -> None:
    made, files = manifests(finished_grid), weights(finished_grid)
    for cell in CELLS:
        buffers = {
            label: made[f"finetune-{cell}-{label}/history"].identity.parameters["buffer_size"] for label in LABELS
        }
        assert (buffers["ceag"], buffers["ceag_k5"]) == (40, 5)
    ends = {label: files[f"steps/finetune-{CELLS[0]}-{label}/finetuned_model/weights.safetensors"] for label in LABELS}
    assert ends["nft"] != ends["ceag"] != ends["ceag_k5"]


def test_a_second_run_does_nothing_and_changes_no_file(program: Program, workspace: Path, experiment: Path) -> None:
    before = snapshot(workspace)
    ended = program("run", experiment, "--workspace", workspace, "--no-tracking")
    assert (ended.code, ended.steps("done")) == (0, [])
    assert set(ended.steps("up to date")) == {path.name for path in (workspace / "steps").iterdir()}
    assert snapshot(workspace) == before


def test_the_experiment_kept_in_the_workspace_is_the_experiment(program: Program, workspace: Path) -> None:
    ended = program("run", workspace / "experiment.json", "--workspace", workspace, "--no-tracking")
    assert (ended.code, ended.steps("done")) == (0, [])


def test_from_finetune_redoes_fine_tuning_and_what_follows_to_the_same_figures(
    program: Program, workspace: Path, experiment: Path
) -> None:
    figures_before, weights_before, before = figures(workspace), weights(workspace), snapshot(workspace)
    ended = program("run", experiment, "--workspace", workspace, "--no-tracking", "--from", "finetune")
    assert {step.split("-")[0] for step in ended.steps("done")} == {"finetune", "evaluate", "gate", "compare"}
    assert {step.split("-")[0] for step in ended.steps("up to date")} == {
        "prepare_data", "acquire_dense", "measure_baseline", "prune",
    }  # fmt: skip
    assert (figures(workspace), weights(workspace)) == (figures_before, weights_before)
    changed = {path.split("/")[1].split("-")[0] for path, was in before.items() if snapshot(workspace)[path] != was}
    assert changed == {"finetune", "evaluate", "gate", "compare"}


def test_another_parameter_redoes_its_stage_and_all_that_follows_but_not_the_data(
    program: Program, workspace: Path, experiment: Path
) -> None:
    before = weights(workspace)
    ended = program(
        "run", experiment, "--workspace", workspace, "--no-tracking", "--set", "prune.learning_rate=0.02"
    )  # fmt: skip
    assert set(ended.steps("up to date")) == {"prepare_data", "acquire_dense", "measure_baseline"}
    assert {step.split("-")[0] for step in ended.steps("done")} == {"prune", "finetune", "evaluate", "gate", "compare"}
    after = weights(workspace)
    changed = {path.split("/")[1].split("-")[0] for path, digest in before.items() if after[path] != digest}
    assert changed == {"prune", "finetune", "evaluate"}


def test_a_parameter_without_effect_on_the_result_redoes_nothing(
    program: Program, workspace: Path, experiment: Path
) -> None:
    ended = program(
        "run", experiment, "--workspace", workspace, "--no-tracking", "--set", "prune.checkpoint_every=2"
    )  # fmt: skip
    assert (ended.code, ended.steps("done")) == (0, [])


def test_dense_seeds_per_seed_train_a_dense_model_a_seed(program: Program, workspace: Path, tmp_path: Path) -> None:
    experiment = write_experiment(
        tmp_path, seeds=[0, 1], methods=["nft"], dense_seeds="per_seed",
        acquire_dense={"epochs": 1}, prune={"gmp_epochs": 0, "finetune_epochs": 1},
    )  # fmt: skip
    ended = program("run", experiment, "--workspace", workspace, "--no-tracking")
    assert ended.code == 0, ended.err
    assert ended.steps("up to date") == ["prepare_data"]
    made = manifests(workspace)
    dense = [made[f"acquire_dense-seed{seed}/dense_model"] for seed in (0, 1)]
    assert [model.identity.parameters["seed"] for model in dense] == [0, 1]
    assert dense[0].files["weights.safetensors"] != dense[1].files["weights.safetensors"]
    for seed, model in enumerate(dense):
        assert made[f"prune-sparsity80-seed{seed}/sparse_model"].identity.inputs["dense_model"] == model.digest
        assert made[f"measure_baseline-seed{seed}/baseline"].identity.inputs["dense_model"] == model.digest


def test_another_process_in_another_workspace_finds_the_same_bits_and_figures(
    finished: Path, experiment: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "prunegap", "run", str(experiment), "--no-tracking"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    other = tmp_path / "runs/tiny"
    assert weights(other) == weights(finished)
    assert figures(other) == figures(finished)
    assert "Excess accuracy gap on test" in done.stdout
    assert "Report: runs/tiny/steps/compare/comparison/comparison.html" in done.stdout


def test_show_prints_the_comparison_again(program: Program, finished: Path) -> None:
    shown = program("show", finished)
    assert (shown.code, shown.err) == (0, "")
    assert "ceag" in shown.out
    assert "Excess accuracy gap on test" in shown.out
    assert max(map(len, shown.out.splitlines()[:-1])) <= 100


def test_show_says_what_an_unfinished_or_missing_run_lacks(program: Program, workspace: Path, tmp_path: Path) -> None:
    (workspace / "steps/compare").rename(tmp_path / "elsewhere")
    unfinished, missing = program("show", workspace), program("show", "nowhere")
    assert (unfinished.code, missing.code) == (1, 1)
    assert unfinished.error_lines == [f"{workspace}: no comparison there yet; prunegap run goes on to it"]
    assert missing.error_lines == ["nowhere: no such workspace; prunegap run EXPERIMENT.yaml makes one"]


BY_HAND = [stage for stage in STAGES if stage.name not in {"gate", "compare"}]
FLAGS = {
    "prepare_data": ["--source", "digits", "--validation-share", 0.1],
    "acquire_dense": ["--epochs", 3, "--learning-rate", 0.05],
    "measure_baseline": [],
    "prune": ["--sparsity", 0.8, "--gmp-epochs", 3, "--finetune-epochs", 3, "--batch-size", 256],
    "finetune": ["--method", "ceag", "--tolerance", 0.02, "--dual-step-size", 0.01],
    "evaluate": ["--tolerance", 0.02],
}


def made_by_hand(program: Program, folder: Path, stage: Stage) -> list[object]:
    words: list[object] = [stage.name, *FLAGS[stage.name]]
    words += [] if "threads" not in stage.params_type.model_fields else ["--threads", 1]
    for port in (*stage.inputs, *stage.outputs):
        words += ["--" + port.name.replace("_", "-"), place_of(folder, stage, port)]
    return words


def place_of(folder: Path, stage: Stage, port: Port) -> Path:
    """Where an output lies that is made by hand; every stage that trains writes a history."""
    return folder / (f"{stage.name}-history" if port.name == "history" else port.name)


def test_stages_called_one_by_one_by_flags_make_what_the_pipeline_makes(
    program: Program, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "by_hand"
    for stage in BY_HAND:
        ended = program(*made_by_hand(program, folder, stage))
        assert (ended.code, ended.out) == (0, ""), ended
        *said, last = ended.err.splitlines()
        assert re.fullmatch(rf"{stage.name}: done in \d+\.\d s", last)
        assert all(re.match(r"info: .*dense stay .* \(classifier\)|\w.*, about \d+ \w+ left$", line) for line in said)
    steps = {"prune": "prune-sparsity80-seed0"} | {
        name: f"{name}-sparsity80-seed0-ceag" for name in ("finetune", "evaluate")
    }
    for stage in BY_HAND:
        for port in stage.outputs:
            ours = check(place_of(folder, stage, port), port.kind)
            theirs = check(finished / "steps" / steps.get(stage.name, stage.name) / port.name, port.kind)
            assert ours.identity.parameters == theirs.identity.parameters
            with_seconds = {"model.json", "history.json", "evaluation.json"}
            assert {n: h for n, h in ours.files.items() if n not in with_seconds} == {
                n: h for n, h in theirs.files.items() if n not in with_seconds
            }
    one = ("--evaluations", folder / "evaluation", "--verdict", folder / "verdict")
    assert program("gate", *one, "--tolerance", 0.9).code == 0
    words = ["--histories", folder / "finetune-history", "--comparison", folder / "comparison", "--title", "tiny"]
    ended = program("compare", *one, *words)
    assert (ended.code, ended.err.partition(" in ")[0]) == (0, "compare: done")
    assert check(folder / "comparison", "comparison").files
    assert json.loads((folder / "comparison/evaluations.json").read_text())[0]["method"] == "ceag"
