"""Tables written here, and the command as a shell calls it."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Write = Callable[..., Path]
Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*words: object) -> SimpleNamespace:
        command = [sys.executable, "-m", "prunegap", "audit", *map(str, words)]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return SimpleNamespace(code=ended.returncode, out=ended.stdout, err=ended.stderr)

    return call


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(name: str, rows: Mapping[str, Sequence[Any]]) -> Path:
        path = tmp_path / name
        if path.suffix == ".parquet":
            pq.write_table(pa.table({key: list(values) for key, values in rows.items()}), path)
        else:
            lines = [",".join(rows), *(",".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return to
