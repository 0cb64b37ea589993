"""``prunegap`` as a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline.program import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Start ``prunegap`` in the test's own folder."""
    program = Program(tmp_path)
    yield program
    program.close()
