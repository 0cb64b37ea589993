"""One stage, or one whole run, in a process of its own that prints what its seconds went to (see ``overhead.py``)."""

import functools
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BORN = "OVERHEAD_BORN"
FUNCTIONS = {"check": "hash", "identity": "hash", "seal": "seal", "load_checkpoint": "read", "save_checkpoint": "write"}
CALLS = ("begin", "end", "log_metrics", "log_input", "log_output")


@dataclass
class Clock:
    """Seconds by what they were spent on; what is called inside a timed function counts for the outer one."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    busy: bool = False

    @contextmanager
    def timing(self, name: str) -> Generator[None]:
        """Count the block for ``name``."""
        if self.busy:
            yield
            return
        self.busy, began = True, time.perf_counter()
        try:
            yield
        finally:
            self.busy = False
            self.seconds[name] += time.perf_counter() - began

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, counted for ``name``."""

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            with self.timing(name):
                return function(*arguments, **named)

        return call

    def take(self) -> dict[str, float]:
        """Return what was counted and begin anew."""
        taken = dict(self.seconds)
        self.seconds.clear()
        return taken


def count_calls(clock: Clock) -> None:
    """Time the functions of the contract, the artifacts and the tracker wherever a module of prunegap calls them."""
    from prunegap.artifacts.kind import KINDS
    from prunegap.tracking import stage
    from prunegap.tracking.tracker import LiveTracker

    for kind in KINDS.values():
        for name, what in (("load", "read"), ("save", "write")):
            setattr(kind, name, clock.timed(what, getattr(kind, name)))
    for module in [module for name, module in sys.modules.items() if name.startswith("prunegap.")]:
        for name, kind in FUNCTIONS.items():
            if callable(function := vars(module).get(name)):
                setattr(module, name, clock.timed(kind, function))
    for name in CALLS:
        setattr(LiveTracker, name, clock.timed("tracking", getattr(LiveTracker, name)))
    for name in ("check_server", "_pipeline_run"):
        setattr(stage, name, clock.timed("tracking", getattr(stage, name)))


def start() -> dict[str, float]:
    """Import what a stage imports, and return the seconds it took."""
    spent = {"interpreter": time.time() - float(os.environ[BORN])}
    began = time.perf_counter()
    import torch  # noqa: F401  # pyright: ignore[reportUnusedImport]

    spent["torch"] = time.perf_counter() - began
    began = time.perf_counter()
    import prunegap.cli.entry  # noqa: F401  # pyright: ignore[reportUnusedImport]

    spent["imports"] = time.perf_counter() - began
    began = time.perf_counter()
    from prunegap.tracking.mlflow_client import connect

    connect("http://127.0.0.1")  # imports, and asks nothing
    spent["mlflow"] = time.perf_counter() - began
    return spent


def run_stage(stage: str, executor_input: str) -> dict[str, float]:
    """Carry out one stage as a container does; return what its seconds went to."""
    spent, clock = start(), Clock()
    from prunegap.cli.entry import cli

    count_calls(clock)
    began = time.perf_counter()
    cli.main(["kubeflow-task", stage, executor_input], standalone_mode=False)
    whole = time.perf_counter() - began
    counted = clock.take()
    return {**spent, **counted, "own": whole - sum(counted.values())}


def run_whole(experiment: Path, overrides: list[str], folder: Path) -> dict[str, dict[str, float]]:
    """Run an experiment as ``prunegap run`` does, tracked in a sqlite file; return the seconds of each step."""
    steps, clock = {"(the run itself)": start()}, Clock()
    from prunegap.cli.experiment_file import read_experiment
    from prunegap.local import LocalRunner
    from prunegap.pipeline import prune_and_compare
    from prunegap.tracking.session import TrackingSession

    count_calls(clock)

    def narrate(step: str, outcome: str, seconds: float | None = None) -> None:
        if outcome == "running":
            clock.take()
        elif seconds is not None:
            counted = clock.take()
            steps[step] = {**counted, "own": seconds - sum(counted.values())}

    began = time.perf_counter()
    with TrackingSession(folder, None, "overhead", "overhead", {}) as session:
        steps["(the run itself)"]["tracking"] = time.perf_counter() - began
        prune_and_compare(read_experiment(experiment, overrides), LocalRunner(folder, session, frozenset(), narrate))
    return steps


if __name__ == "__main__":
    first, *rest = sys.argv[1:]
    found = run_whole(Path(first), rest[1:], Path(rest[0])) if first.endswith(".yaml") else run_stage(first, rest[0])
    print(json.dumps(found))
