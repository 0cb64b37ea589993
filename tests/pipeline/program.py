"""``prunegap`` as its user starts it: a process with a command line, two streams, signals and an exit code.

The processes are forked from a server that has the slow imports behind it, so that one costs hundredths of
a second instead of seconds; nothing else differs from ``python -m prunegap``.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

PRELOADED = [
    "prunegap.cli.entry",
    "torch._dynamo",
    "sklearn.datasets",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "PIL.Image",
]
NOT_OURS = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "KFP_RUN_ID", "PRUNEGAP_PIPELINE_RUN", "FORCE_COLOR", "COLUMNS")


@dataclass(frozen=True)
class Ended:
    """How a process ended; a negative code is the signal that killed it."""

    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]

    def steps(self, outcome: str) -> list[str]:
        """Names of the steps that were ``done`` or ``up to date``."""
        sign = {"done": "✓", "up to date": "·"}[outcome]
        return [line.split()[1] for line in self.err.splitlines() if line.startswith(sign)]


class Running:
    """A process that was started."""

    def __init__(self, process: ForkServerProcess, streams: Path) -> None:
        self.process, self.streams = process, streams

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Return as soon as ``holds`` does; the process must not end before."""
        while not holds():
            alive = self.process.is_alive()
            assert alive or holds(), f"ended before: {self.end()}"
            time.sleep(0.002)

    def end(self, with_signal: int | None = None) -> Ended:
        """Send a signal, if one is given, and wait for the end."""
        if with_signal is not None and self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, with_signal)
        self.process.join()
        code = self.process.exitcode
        assert code is not None
        return Ended(code, *(self.streams.with_suffix(end).read_text() for end in (".out", ".err")))


class Program:
    """Starts ``prunegap`` in a folder.

    Args:
        folder: where the processes run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = count()
        self._started: list[ForkServerProcess] = []

    def start(
        self, *arguments: object, environment: Mapping[str, str] | None = None, terminal: str | None = None
    ) -> Running:
        """Start a process; ``terminal`` names a device that takes both streams, else files take them."""
        streams = self.folder / f".process{next(self._number)}"
        files = [streams.with_suffix(".out"), streams.with_suffix(".err")]
        for file in files:
            file.touch()
        words = [str(argument) for argument in arguments]
        targets = [terminal or str(file) for file in files]
        process = _server().Process(target=_become, args=(words, self.folder, targets, dict(environment or {})))
        process.start()
        self._started.append(process)
        return Running(process, streams)

    def __call__(self, *arguments: object, environment: Mapping[str, str] | None = None) -> Ended:
        """Run to the end."""
        return self.start(*arguments, environment=environment).end()

    def close(self) -> None:
        """Kill what a failed test left running."""
        for process in self._started:
            process.kill()
            process.join()
            process.close()


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _become(words: list[str], folder: Path, targets: list[str], environment: dict[str, str]) -> None:
    for name in NOT_OURS:
        os.environ.pop(name, None)
    os.environ.update(environment)
    for number, path in enumerate(targets, start=1):
        target = os.open(path, os.O_WRONLY | os.O_NOCTTY)
        os.dup2(target, number)
        os.close(target)
    os.chdir(folder)
    sys.argv = ["prunegap", *words]
    from prunegap.cli import main

    main()
