"""One server of processes, and two finished workspaces, a session."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pipeline.program import Program
from pipeline.workspaces import METHODS, copy_of, write_experiment
from shared import once, shared_folder


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Start ``prunegap`` in the test's own folder."""
    program = Program(tmp_path)
    yield program
    program.close()


def _finish(folder: Path, **changes) -> None:
    experiment = write_experiment(folder, **changes)
    ended = Program(folder)("run", experiment, "--workspace", folder / "run", "--no-tracking")
    assert ended.code == 0, ended.err


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one seed, one sparsity and two methods; only to be read, or copied."""
    return once(shared_folder(tmp_path_factory) / "finished", _finish) / "run"


@pytest.fixture(scope="session")
def finished_grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds, two sparsities with tolerances of their own, all kinds of methods and one of them twice."""
    grid = partial(
        _finish,
        seeds=[0, 1],
        sparsities=[{"sparsity": 0.8, "tolerance": 0.3}, {"sparsity": 0.95, "tolerance": 0.04}],
        methods=[*METHODS, {"method": "ceag", "label": "ceag_k5", "buffer_size": 5}],
        acquire_dense={"epochs": 2},
        prune={"gmp_epochs": 1, "finetune_epochs": 1},
    )
    return once(shared_folder(tmp_path_factory) / "grid", grid) / "run"


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return copy_of(finished, tmp_path / "run")


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """The experiment of the finished run."""
    return write_experiment(tmp_path)
