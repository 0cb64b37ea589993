"""Truth: what `prunegap run` finds in one process, and the artifacts and logs of the compiled pipeline's tasks."""

import contextlib
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from same_figures import figures, models
from tracking.mlflow_view import View
from walk import BIN, ROOT

STEPS = {
    "open-run",
    "plan-cells",
    "prepare_data",
    "acquire_dense",
    "measure_baseline",
    *(f"prune-sparsity90-seed{seed}" for seed in (0, 1)),
    *(
        f"{stage}-sparsity90-seed{seed}-{m}"
        for stage in ("finetune", "evaluate")
        for seed in (0, 1)
        for m in ("nft", "ceag")
    ),
    "gate",
    "compare",
    "close-run",
}
SMOKE = ("prunegap-pipelines", "run-local", "experiments/smoke.yaml", "--image", "prunegap/stage:test")


@pytest.fixture(scope="module")
def smoke(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("local") / "run"
    ended = program(*SMOKE, "--folder", folder, "--cache")
    assert ended.code == 0, ended.err
    return folder, ended


def command_lines():
    """Yield the command line of every process there is."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes().decode(errors="replace")


def comparison(folder):
    (found,) = folder.glob("prunegap-smoke-*/compare/comparison")
    return found


@pytest.mark.slow
def test_every_step_is_a_task_and_the_smoke_run_is_quick(smoke):
    _, ended = smoke
    assert set(ended.done) == STEPS
    assert len(ended.done) == len(STEPS)
    # 90 s of two cores; the clock on the wall also counts what else this machine does.
    assert ended.processor_seconds < 180
    assert "ceag" in ended.out


@pytest.mark.slow
def test_the_compiled_pipeline_finds_what_one_process_finds_to_the_bit(smoke, smoke_here):
    folder, _ = smoke
    assert figures(comparison(folder)) == figures(smoke_here / "steps/compare/comparison")
    assert models(folder) == models(smoke_here / "steps")
    assert len(models(folder)) == 8


@pytest.mark.slow
def test_every_task_tells_kubeflow_its_artifacts_metrics_and_pages(smoke):
    folder, _ = smoke
    (run,) = folder.glob("prunegap-smoke-*")
    outputs = {
        path.parent.name: json.loads(path.read_text())["artifacts"] for path in run.glob("*/executor_output.json")
    }
    of_compare = {name: entry["artifacts"][0] for name, entry in outputs["compare"].items()}
    assert "<html" in (run / "compare/report").read_text()
    assert (run / "compare/table").read_text() == (run / "compare/comparison/comparison.md").read_text()
    assert (run / "compare/groups").read_text() == (run / "compare/comparison/groups.md").read_text()
    assert of_compare["metrics"]["metadata"]["test accuracy/ceag 90"] > 0.5
    manifest = json.loads((run / "measure-baseline/baseline/manifest.json").read_text())
    assert manifest["kind"] == outputs["measure-baseline"]["baseline"]["artifacts"][0]["metadata"]["kind"]
    evaluated = json.loads(
        (run / "for-loop-2-iteration-1/for-loop-3-iteration-1/evaluate/executor_output.json").read_text()
    )["artifacts"]
    metrics = evaluated["metrics"]["artifacts"][0]["metadata"]
    assert {"train/max_psi", "test/accuracy", "test/feasible"} <= set(metrics)
    assert len(metrics) <= 64
    assert type(metrics["test/feasible"]) is int
    confused = evaluated["classification"]["artifacts"][0]["metadata"]["confusionMatrix"]
    assert [one["displayName"] for one in confused["annotationSpecs"]] == [str(digit) for digit in range(10)]
    right = sum(row["row"][place] for place, row in enumerate(confused["rows"]))
    assert right / sum(sum(row["row"]) for row in confused["rows"]) == pytest.approx(metrics["test/accuracy"])
    table = (run / "for-loop-2-iteration-1/for-loop-3-iteration-1/evaluate/groups").read_text()
    assert table.startswith("## train\n")
    assert table.count("| 9 |") == 3
    assert (run / "prepare-data/log.txt").read_text().startswith("MLFLOW_TRACKING_URI is not set")


@pytest.mark.slow
def test_an_unchanged_task_is_not_run_again_and_a_changed_one_is_with_what_follows(smoke, program):
    folder, _ = smoke
    again = program(*SMOKE, "--folder", folder, "--cache")
    assert (again.code, again.done) == (0, ["open-run", "plan-cells", "compare", "close-run"]), again.err
    changed = program(*SMOKE, "--folder", folder, "--cache", "--set", "evaluate.dataset_name=ten digits")
    steps = {step for step in STEPS if step.startswith("evaluate")}
    steps |= {"gate", "compare", "open-run", "plan-cells", "close-run"}
    assert (changed.code, set(changed.done)) == (0, steps), changed.err
    assert "ten digits" in changed.out


@pytest.mark.slow
def test_a_failed_stage_fails_the_run_says_why_and_its_mlflow_run_is_closed(program, tmp_path, server):
    folder = tmp_path / "run"
    wrong = (
        "--set",
        "name=broken",
        "--set",
        "prepare_data.source=class_folders",
        "--set",
        "prepare_data.location=gone",
    )
    tracked = {"MLFLOW_TRACKING_URI": server.uri, "PRUNEGAP_PIPELINE_RUN": "failing"}
    ended = program(*SMOKE, "--folder", folder, *wrong, env=tracked)
    assert ended.code == 1
    assert ended.last.startswith("error: prepare_data: failed with exit code 1: error: ")
    assert "gone" in ended.last
    assert "Traceback" not in ended.err
    (log,) = folder.glob("prunegap-broken-*/prepare-data/log.txt")
    assert log.read_text().count("error: ") == 3, "two retries"
    assert log.read_text().strip().splitlines()[-1].startswith("error: ")
    assert not list(folder.glob("prunegap-broken-*/acquire-dense"))
    assert "close-run: done" in ended.lines, "the exit handler runs after a failure too"
    seen = View(server.uri, "broken")
    assert seen.parent().info.status == "FAILED"
    assert {run.data.tags.get("prunegap.step", "pipeline"): run.info.status for run in seen.runs()} == {
        "pipeline": "FAILED",
        "prepare_data": "FAILED",
    }, "three tries are one run"


@pytest.mark.slow
def test_an_interrupt_stops_the_processes_of_a_loop_too(tmp_path):
    folder = tmp_path / "run"
    words = [BIN / "prunegap-pipelines", *SMOKE[1:], "--folder", folder, "--set", "prune.gmp_epochs=2000"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line.strip())
        if sum(line.startswith("prune-") for line in said) == 2:
            break
    while len(list(folder.glob("checkpoints/[!.]*.checkpoint"))) < 2:  # both are in the middle
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate()
    assert process.returncode == 143, rest
    assert "Traceback" not in rest
    assert "finetune" not in rest
    assert not [line for line in command_lines() if str(folder) in line]


def test_what_cannot_be_run_is_refused_in_one_line(program, tmp_path):
    for words, line in (
        (
            ("run-local", "experiments/smoke.yaml", "--images", "none.json"),
            "error: none.json: no image lock can be read",
        ),
        (("run-local", "experiments/smoke.yaml", "--resources", "tpu"), "error: resources tpu: neither a profile"),
        (
            ("compile", "experiments/smoke.yaml", "--output", tmp_path / "x.json"),
            f"error: --output {tmp_path / 'x.json'}: must end",
        ),
        (("compile", "experiments/none.yaml"), "error: experiments/none.yaml: no such experiment file"),
        (("compile", "experiments/smoke.yaml", "--set", "finetune.tolerence=1"), "error: "),
    ):
        folder = () if words[0] == "compile" else ("--folder", tmp_path / "run")
        ended = program("prunegap-pipelines", *words, *folder)
        assert ended.code == 1, words
        assert ended.lines == [ended.last], words
        assert ended.last.startswith(line), words
    assert ROOT.joinpath("smoke.pipeline.yaml").exists() is False
