"""Shapes are checked in every test: jaxtyping's annotations by beartype, over the numerical core.

Nothing a test draws differs from run to run, and what is dear is made once a session, whoever of its workers asks.
"""

import os
import random
import signal
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("MPLBACKEND", "Agg")

# A shell that starts the tests in the background has them ignore Ctrl-C, and the programs they start and interrupt too.
signal.signal(signal.SIGINT, signal.default_int_handler)

if sys.dont_write_bytecode:  # every program a test starts would compile torch and MLflow anew, ten seconds each
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).resolve().parents[1] / ".pytest_cache/bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

CORE = ["gaps", "data", "constraints", "diagnostics", "pruning", "training", "models"]
install_import_hook([f"prunegap.{floor}" for floor in CORE], "beartype.beartype")

# after the hook, which sees only what comes later
from servers import bucket, s3, server, tables  # noqa: E402

__all__ = ["bucket", "s3", "server", "tables"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules with the most slow tests first: a worker that begins one at the end works alone."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True)
def same_numbers_every_time() -> None:
    """Seed what a test may draw from without a seed of its own."""
    random.seed(0)
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def engine():
    """Yield a client of a Docker engine, started if the machine can."""
    from engine import engine_or_skip

    with closing(engine_or_skip()) as client:
        yield client


@pytest.fixture(scope="session")
def images(engine, tmp_path_factory: pytest.TempPathFactory):
    """Yield the lock of every image of this checkout, built once under names of their own, which go at the end."""
    from engine import built_images
    from shared import shared_folder

    with built_images(engine, shared_folder(tmp_path_factory) / "images") as lock:
        yield lock
