"""The local overlay carried out by podman, where it can be had: see k8s.play, which is run as a user would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from k8s.podman import available
from prunegap_pipelines.images import ImageLock

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.docker,
    pytest.mark.campaign,
    pytest.mark.skipif(
        not available(),
        reason="needs root, Docker and podman",
    ),
]


def listed(what: str) -> set[str]:
    command = ["podman", what, "ls", "--format", "{{.Name}}"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_local_overlay_runs_the_smoke_experiment_and_leaves_nothing(images: ImageLock) -> None:
    tags = {f"{name.upper()}_IMAGE": image.tag for name, image in images.images.items()}
    here = {**os.environ, **tags, "PYTHONPATH": str(ROOT / "tests")}
    before = listed("volume")
    done = subprocess.run(
        [sys.executable, "-m", "k8s.play"], cwd=ROOT, env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "mlflow: readinessProbe answered",
        "mlflow-mlflow: user 10001, no capability, no new privileges, read-only root",
        "postgres-postgres: user 999, no capability, no new privileges, read-only root",
        "load-data: exit code 0: /data/faces: 2 files from s3://data/faces",
        "smoke: exit code 0",
        "database stopped: MLflow alive and not ready; started: ready again",
        "backup: exit code 0",
        "upgrade: exit code 0",
    ):
        assert said in done.stdout, done.stdout
    assert listed("volume") <= before
    assert not [name for what in ("pod", "secret", "network") for name in listed(what) if "prunegap-play" in name]
