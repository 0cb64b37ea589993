"""Pipelines that somebody else writes of ours. Truth: kfp's compiler and orchestrator, and what `prunegap` reads."""

import json
import subprocess
import sys
from typing import Any

import pytest
from kfp import components, dsl
from kfp.compiler import Compiler
from prunegap_pipelines.local_run import InProcesses, LocalRun
from walk import DIGEST, ROOT

from prunegap.artifacts.evaluation import load_evaluations
from prunegap.artifacts.manifest import check

SHORT = {"checkpoint_every": 100, "threads": 1}
BOTH = ("nft", "el")


def component(name):
    return components.load_component_from_file(str(ROOT / "components" / name / "component.yaml"))


class AlsoTheirs(InProcesses):
    """Carries out our commands as a local run does, and somebody else's as they stand."""

    def __call__(self, image, command, environment, log):
        if command[0] == "prunegap":
            return super().__call__(image, command, environment, log)
        return subprocess.run(command, stdout=log, stderr=log, check=False).returncode


def ran(pipeline, folder):
    """Compile a pipeline and run it; return the newest comparison below the folder and what was said."""
    package, said = folder / "theirs.yaml", []
    Compiler().compile(dsl.pipeline(name=pipeline.__name__.replace("_", "-"))(pipeline), str(package))
    return LocalRun(package, folder / "run", AlsoTheirs(), {}, said.append)(), said


def rows(comparison):
    return [(one.method, one.seed) for one in load_evaluations(comparison)]


@dsl.container_component
def count_files(comparison: dsl.Input[dsl.Artifact], report: dsl.Input[dsl.HTML], counted: dsl.OutputPath(int)):  # pyright: ignore[reportInvalidTypeForm]
    """Look at what the pipeline gave, as another's step would."""
    script = (
        "import os, sys; assert '<html' in open(sys.argv[2]).read(); os.makedirs(os.path.dirname(sys.argv[3]),"
        " exist_ok=True); open(sys.argv[3], 'w').write(str(len(os.listdir(sys.argv[1]))))"
    )
    return dsl.ContainerSpec(
        image="python:3.11", command=[sys.executable, "-c", script], args=[comparison.path, report.path, counted]
    )


@pytest.mark.slow
def test_the_compiled_pipeline_is_a_step_of_another_which_reads_its_outputs(program, tmp_path):
    path = tmp_path / "ours.yaml"
    tiny = [f"{key}=1" for key in ("acquire_dense.epochs", "prune.gmp_epochs", "prune.finetune_epochs")]
    words = [word for one in tiny for word in ("--set", one)]
    compiling = ("compile", "experiments/smoke.yaml", "--output", path, "--image", DIGEST, *words)
    assert program("prunegap-pipelines", *compiling).code == 0
    ours = components.load_component_from_file(str(path))
    assert set(ours.component_spec.outputs or {}) == {"comparison", "groups", "metrics", "report", "table"}

    def theirs(cells: list = [{"seed": 5, "sparsity": 0.5, "tolerance": 0.1, "method": "el"}]) -> dsl.Artifact:  # noqa: B006
        compared: Any = ours(cells=cells)
        count_files(comparison=compared.outputs["comparison"], report=compared.outputs["report"])
        return compared.outputs["comparison"]

    comparison, said = ran(theirs, tmp_path)
    assert rows(comparison) == [("el", 5)]
    assert "close-run: done" in said
    (counted,) = (tmp_path / "run").rglob("counted")
    assert int(counted.read_text()) == len(list(comparison.iterdir()))


@pytest.mark.slow
def test_compare_takes_single_evaluations_where_there_is_no_loop(tmp_path):
    prepare_data, acquire_dense, measure = map(component, ("prepare_data", "acquire_dense", "measure_baseline"))
    prune, finetune, evaluate = map(component, ("prune", "finetune", "evaluate"))
    gate, compare = map(component, ("gate", "compare"))

    def by_hand():
        data = prepare_data(source="digits").outputs["dataset"]
        dense = acquire_dense(dataset=data, epochs=1, **SHORT).outputs["dense_model"]
        baseline = measure(dataset=data, dense_model=dense).outputs["baseline"]
        short = {"gmp_epochs": 0, "finetune_epochs": 1, **SHORT}
        pruned = prune(dataset=data, dense_model=dense, baseline=baseline, sparsity=0.5, **short)
        given = {"dataset": data, "baseline": baseline}
        tuned = [finetune(**given, sparse_model=pruned.outputs["sparse_model"], method=name, **SHORT) for name in BOTH]
        judged = [evaluate(**given, finetuned_model=one.outputs["finetuned_model"]) for one in tuned]
        single = {f"evaluations_{number}": one.outputs["evaluation"] for number, one in enumerate(judged, 1)}
        verdict = gate(**single, enforce=False).outputs["verdict"]
        compare(**single, histories_1=tuned[0].outputs["history"], verdict=verdict, title="by hand")
        # A loop of one works too, and may be mixed with single ones.
        with dsl.ParallelFor([0]) as threads:
            again = evaluate(**given, finetuned_model=tuned[0].outputs["finetuned_model"], threads=threads)
        looped, other = again.outputs["evaluation"], single["evaluations_2"]
        verdict = gate(evaluations=dsl.Collected(looped), evaluations_1=other, enforce=False).outputs["verdict"]
        compare(evaluations=dsl.Collected(looped), evaluations_1=other, verdict=verdict)

    _, said = ran(by_hand, tmp_path)
    both = sorted((tmp_path / "run").glob("by-hand-*/compare*/comparison"))
    assert len(both) == 2, said
    for comparison in both:
        assert check(comparison, "comparison")
        assert rows(comparison) == [("nft", 0), ("el", 0)]


def test_a_gate_of_nothing_is_refused_in_one_line(program, tmp_path):
    places = {"artifacts": {"verdict": {"artifacts": [{"uri": str(tmp_path / "c")}]}}, "outputFile": str(tmp_path)}
    ended = program("prunegap", "kubeflow-task", "gate", json.dumps({"inputs": {}, "outputs": places}))
    assert ended.code == 1
    assert "no evaluation to judge; give at least one" in ended.last
    assert not (tmp_path / "c").exists()
