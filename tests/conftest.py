"""Shapes are checked in every test: jaxtyping's annotations by beartype, over the numerical core."""

import os
import signal
from contextlib import closing

import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("MPLBACKEND", "Agg")

# A shell that starts the tests in the background has them ignore Ctrl-C, and the programs they start and interrupt too.
signal.signal(signal.SIGINT, signal.default_int_handler)

CORE = ["gaps", "data", "constraints", "pruning", "training", "models"]
install_import_hook([f"prunegap.{floor}" for floor in CORE], "beartype.beartype")


@pytest.fixture(scope="session")
def engine():
    """Yield a client of a Docker engine, started if the machine can."""
    from engine import engine_or_skip

    with closing(engine_or_skip()) as client:
        yield client
