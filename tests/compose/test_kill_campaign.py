"""Whatever is killed during a run of compose: once it has ended well, MLflow has of it what it has of one left alone.

PRUNEGAP_KILL_ROUNDS says how many runs are struck, each by one kill of every kind (default 1: a round takes minutes).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose.kills import planned, run_through
from compose.project import Project, generated, running
from prunegap_pipelines.images import ImageLock
from tracking.record import Record, differences, record

pytestmark = [pytest.mark.docker, pytest.mark.campaign, pytest.mark.timeout(0)]
ROUNDS = int(os.environ.get("PRUNEGAP_KILL_ROUNDS", "1"))
STEPS = [
    "prepare_data",
    "acquire_dense",
    "measure_baseline",
    "prune-sparsity80-seed0",
    "finetune-sparsity80-seed0-ceag",
    "evaluate-sparsity80-seed0-ceag",
    "gate",
    "compare",
]


@pytest.fixture(scope="module")
def project(images: ImageLock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with running(images, tmp_path_factory.mktemp("kills")) as project:
        yield project


@pytest.fixture(scope="module")
def file(project: Project) -> Path:
    """One file for every run: its trainings take some seconds, and save a checkpoint every epoch."""
    dense, pruned = {"epochs": 15}, {"gmp_epochs": 5, "finetune_epochs": 10, "batch_size": 256}
    folder = project.experiments / "kills"
    return generated(folder, name="kills", methods=["ceag"], acquire_dense=dense, prune=pruned)


@pytest.fixture(scope="module")
def undisturbed(project: Project, file: Path) -> Record:
    run = project.start(file, "calm")
    said = run.communicate()[1]
    assert run.returncode == 0, said
    return record(project.mlflow, "kills", "calm")


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_record_of_a_run_struck_by_kills_is_that_of_one_left_alone(
    project: Project, file: Path, undisturbed: Record, seed: int
):
    name = f"struck-{seed}"
    told = run_through(project, file, planned(STEPS, seed), STEPS, name)
    # What README says of a run that MLflow did not hear whole.
    for words in (["upload", f"runs/{name}"], ["close-run", "FINISHED"]):
        sent = project.compose("run", "--rm", "close-run", *words, files=(file,), PRUNEGAP_PIPELINE_RUN=name)
        assert sent.returncode == 0, sent.stderr
        told.append(sent.stdout + sent.stderr.splitlines()[-1])
    assert differences(undisturbed, record(project.mlflow, "kills", name)) == [], "\n".join(told)
