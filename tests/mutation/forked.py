"""Runs tests against a changed copy of the package, each run in a fork of one process that has the libraries loaded.

A start of Python with torch takes seconds, most of a run; a fork takes none. The package itself is imported in the
fork, from the copy.
"""

import contextlib
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
# Not those with a plugin for pytest, which wants to see them imported.
LIBRARIES = (
    "torch", "torchvision", "numpy", "scipy.stats", "sklearn.datasets", "PIL.Image", "pyarrow.parquet", "pydantic",
    "pytest", "safetensors.torch", "cooper", "beartype", "yaml", "rich.progress",
)  # fmt: skip
QUICK = ("-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=short", "--durations=0", "--timeout=0")


@dataclass(frozen=True)
class Verdict:
    """How the tests ended: ``passed``, ``failed`` or ``timeout``; in how many seconds; the last of what they said."""

    outcome: str
    seconds: float
    said: str


class Overlay:
    """A copy of the package in a temporary folder, which the tests import instead of the real one."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "src" / "prunegap"
        shutil.copy(ROOT / "pyproject.toml", folder)
        shutil.copytree(ROOT / "src" / "prunegap", self.package, ignore=shutil.ignore_patterns("__pycache__"))
        sys.path[:0] = [str(folder / "src"), str(ROOT), str(ROOT / "tests")]
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:3])
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ["MPLBACKEND"] = "Agg"
        for name in LIBRARIES:
            importlib.import_module(name)
        self.output = folder / "output"

    def run(self, module: str, source: str, tests: Sequence[str], limit: float) -> Verdict:
        """Run tests with another source of one module.

        Args:
            module: path of the module below the package.
            source: its source.
            tests: files, folders or node ids below the repository's root.
            limit: in seconds; tests that run longer are ended.
        """
        path = self.package / module
        original = path.read_text(encoding="utf-8")
        path.write_text(source, encoding="utf-8")
        _forget_bytecode(path)
        try:
            return self._forked(tests, limit)
        finally:
            path.write_text(original, encoding="utf-8")
            _forget_bytecode(path)

    def _forked(self, tests: Sequence[str], limit: float) -> Verdict:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            self._test(tests)
        while time.monotonic() - began < limit:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                outcome = "passed" if os.waitstatus_to_exitcode(status) == 0 else "failed"
                return Verdict(outcome, time.monotonic() - began, self._said())
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Verdict("timeout", time.monotonic() - began, self._said())

    def _test(self, tests: Sequence[str]) -> None:
        os.setsid()
        descriptor = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.chdir(ROOT)
        code = 3
        try:
            import pytest

            code = int(pytest.main([*QUICK, *tests]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            sys.stdout.flush()
            os._exit(code)

    def _said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")[-4000:] if self.output.exists() else ""


def _forget_bytecode(path: Path) -> None:
    # Of files written within one second and of one size, an old bytecode would be taken for the new one's.
    for file in path.parent.glob(f"__pycache__/{path.stem}.*"):
        file.unlink()


@contextlib.contextmanager
def overlay() -> Generator[Overlay]:
    """Yield an overlay whose folder goes afterwards."""
    with TemporaryDirectory(prefix="mutation-") as folder:
        yield Overlay(Path(folder))
