"""Backup and restore with the compose services: what MLflow held is destroyed, put back, and found the same by its API.

The truth is the record as MLflow's API gave it before. The scripts are those of the cron jobs in k8s/maintenance.
"""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose.project import DOCKER, ROOT, Project, tool
from k8s.manifests import FOLDER, build, workloads
from mlflow import MlflowClient
from prunegap_pipelines.images import ImageLock

pytestmark = [pytest.mark.docker, pytest.mark.campaign]
PATIENCE = 1800.0  # seconds; the machine may be slow
MAINTENANCE = DOCKER / "maintenance.yaml"
ARTIFACTS = {"report.html": b"<p>all groups</p>", "model/weights.bin": bytes(range(256)) * 5000}


@pytest.fixture(scope="module")
def project(images: ImageLock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    tool()
    project = Project(
        {target: image.tag for target, image in images.images.items()}, tmp_path_factory.mktemp("compose")
    )
    try:
        yield project
    finally:
        project.compose("down", "--volumes", "--remove-orphans", "--timeout", "3", files=(MAINTENANCE,))


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(project: Project, backups: Path) -> Run:
    def call(*words: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return project.compose(*words, files=(MAINTENANCE,), BACKUP_DIR=str(backups), **changed)

    return call


def done(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def servers(project: Project, run: Run) -> None:
    """Start them, and wait until MLflow's API answers."""
    done(run("up", "--detach", "mlflow"))
    deadline = time.monotonic() + PATIENCE
    while not answers(f"{project.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"):
        assert time.monotonic() < deadline, project.log("mlflow")[-20:]
        time.sleep(1)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=60):
            return True
    except OSError:
        return False


def record(project: Project) -> dict[str, Any]:
    """Everything that MLflow says of its runs, artifacts by content."""
    client = MlflowClient(project.mlflow)
    experiments = client.search_experiments()
    runs = client.search_runs([one.experiment_id for one in experiments], max_results=1000)
    return {
        one.info.run_id: {
            **one.to_dictionary(),
            "history": [entry.value for entry in client.get_metric_history(one.info.run_id, "accuracy")],
            "files": {name: download(project, one.info.run_id, name) for name in ARTIFACTS},
        }
        for one in runs
    }


def download(project: Project, run_id: str, name: str) -> bytes:
    """Through the server: its client would follow it to the store, whose name is known in compose's network only."""
    with urllib.request.urlopen(f"{project.mlflow}/get-artifact?path={name}&run_uuid={run_id}") as answer:
        return answer.read()


def log_run(project: Project, folder: Path, number: int) -> None:
    client = MlflowClient(project.mlflow)
    known = client.get_experiment_by_name("kept")
    experiment = known.experiment_id if known else client.create_experiment("kept")
    run = client.create_run(experiment, run_name=f"run {number}", tags={"seed": str(number)})
    client.log_param(run.info.run_id, "sparsity", "0.995")
    for step in range(3):
        client.log_metric(run.info.run_id, "accuracy", number + step / 10, step=step)
    for path, content in ARTIFACTS.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content + bytes([number]))
        client.log_artifact(run.info.run_id, str(file), str(Path(path).parent) if "/" in path else None)
    client.set_terminated(run.info.run_id)


def backup(run: Run) -> None:
    done(run("run", "--rm", "dump-database"))
    done(run("run", "--rm", "save-objects"))


def restore(project: Project, run: Run, **changed: str) -> None:
    done(run("stop", "mlflow"))
    done(run("run", "--rm", "load-database", **changed))
    done(run("run", "--rm", "restore-objects", **changed))
    servers(project, run)


def test_what_was_destroyed_is_put_back_the_same(project: Project, run: Run, backups: Path, tmp_path: Path) -> None:
    servers(project, run)
    log_run(project, tmp_path, 1)
    first = record(project)
    backup(run)
    log_run(project, tmp_path, 2)
    second = record(project)
    assert len(second) == 2
    backup(run)
    older, newer = sorted(path for path in backups.iterdir() if not path.is_symlink())
    assert (backups / "latest").resolve() == newer

    # What did not change is not there twice.
    kept = json.loads((older / "objects.json").read_text())
    assert kept
    for path in (older / "objects").rglob("*"):
        if path.is_file():
            assert path.samefile(newer / path.relative_to(older))

    done(run("down", "--volumes", "--timeout", "3"))
    servers(project, run)
    assert record(project) == {}
    restore(project, run)
    assert record(project) == second
    log_run(project, tmp_path, 3)  # the database goes on where it was

    restore(project, run, BACKUP=older.name)
    assert record(project) == first

    # Refused, and nothing touched.
    running = run("run", "--rm", "load-database")
    assert running.returncode != 0
    assert "stop MLflow first; nothing was put back" in running.stdout + running.stderr
    missing = run("run", "--rm", "load-database", BACKUP="2001-01-01T000000Z")
    assert missing.returncode != 0
    assert "no backup /backups/2001-01-01T000000Z" in missing.stdout + missing.stderr
    damaged = next(path for path in (newer / "objects").rglob("*") if path.is_file() and path.stat().st_nlink == 1)
    damaged.write_bytes(b"not what it was")
    refused = run("run", "--rm", "restore-objects")
    assert refused.returncode != 0
    assert "is missing or damaged" in refused.stdout + refused.stderr
    assert record(project) == first


def test_a_database_of_an_older_schema_is_upgraded_and_holds_what_it_held(project: Project, run: Run) -> None:
    servers(project, run)
    before, newest = record(project), revision(run)
    done(run("stop", "mlflow"))
    back = (
        "from alembic import command; from mlflow.store.db.utils import _get_alembic_config as c; "
        "command.downgrade(c('postgresql+psycopg://'), '-1')"
    )
    done(run("run", "--rm", "--entrypoint", "python3", "upgrade-database", "-c", back))
    assert revision(run) != newest
    done(run("run", "--rm", "upgrade-database"))
    assert revision(run) == newest
    servers(project, run)
    assert record(project) == before


def revision(run: Run) -> str:
    """Which schema the database says it has."""
    query = ("psql", "--tuples-only", "--no-align", "--command", "select version_num from alembic_version")
    return done(run("run", "--rm", "--entrypoint", query[0], "dump-database", *query[1:])).strip()


def test_the_cron_jobs_run_what_is_tested_here() -> None:
    services = yaml.safe_load(MAINTENANCE.read_text())["services"]
    entry = {name: [word.replace("/scripts/", "") for word in one["entrypoint"]] for name, one in services.items()}
    jobs = {one.name: one for one in workloads(build(FOLDER / "base"))}
    commands = {
        name: [[word.replace("/scripts/", "") for word in container["command"]] for container in jobs[name].containers]
        for name in ("backup", "restore", "upgrade")
    }
    assert commands == {
        "backup": [entry["dump-database"], entry["save-objects"]],
        "restore": [entry["load-database"], entry["restore-objects"]],
        "upgrade": [entry["upgrade-database"]],
    }
    assert (ROOT / "k8s/maintenance/objects.py").is_file()
