"""Programs as a user starts them."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from kubeflow_api import KubeflowApi
from shared import once, shared_folder

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def processor_seconds():
    """Return the processor time of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="session")
def program():
    """Return a function that runs a program of the project to its end."""

    def run(*words, env=None, folder=ROOT):
        command = [str(BIN / words[0]), *map(str, words[1:])]
        # A laptop's environment: nothing of an MLflow or a pipeline run around the tests.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "PRUNEGAP_", "KFP_", "AWS_"))}
        before = processor_seconds()
        ended = subprocess.run(command, cwd=folder, env=kept | (env or {}), capture_output=True, text=True, check=False)
        lines = ended.stderr.strip().splitlines()
        return SimpleNamespace(
            code=ended.returncode,
            out=ended.stdout,
            err=ended.stderr,
            lines=lines,
            last=lines[-1] if lines else "",
            processor_seconds=processor_seconds() - before,
            done=[line.removesuffix(": done") for line in lines if line.endswith(": done")],
        )

    return run


@pytest.fixture(scope="session")
def smoke_here(program, tmp_path_factory):
    """Return the workspace of ``prunegap run experiments/smoke.yaml``."""

    def run(folder):
        ended = program("prunegap", "run", "experiments/smoke.yaml", "--workspace", folder / "ws", "--no-tracking")
        assert ended.code == 0, ended.err

    return once(shared_folder(tmp_path_factory) / "smoke", run) / "ws"


@pytest.fixture
def api():
    """Yield a stub of Kubeflow's API."""
    server = KubeflowApi()
    yield server
    server.close()
