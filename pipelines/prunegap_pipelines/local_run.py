"""Carrying out a compiled pipeline on this machine: a process a task, or a container a task.

kfp's own local orchestrator walks the compiled file (loops, collected lists, exit handler, retries). Three things are
ours: a process for a container component, which kfp refuses to start; a container whose exit code is waited for before
it is removed, which kfp gets wrong (https://github.com/kubeflow/pipelines/issues/13332); and what a loop inside a loop
gave as one list, as Kubeflow's driver collects it (``CollectInputs`` in ``backend/src/v2/driver/resolve.go``).
"""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Protocol, TextIO

import yaml
from google.protobuf import json_format
from kfp import local
from kfp.local import executor_input_utils, subprocess_task_handler
from kfp.local.pipeline_orchestrator import run_local_pipeline
from kfp.local.status import Status
from kfp.pipeline_spec import pipeline_spec_pb2

from prunegap.artifacts.elsewhere import PACKED_DIR
from prunegap.artifacts.manifest import MANIFEST
from prunegap.cli.kubeflow_look import LOOK
from prunegap.cli.kubeflow_plan import EACH, PLAN
from prunegap.cli.kubeflow_task import TASK, TaskInput
from prunegap.errors import UserError

LOG = "log.txt"
PACKED = "packed"
STOPPED = 143


class Carrier(Protocol):
    """Carries out tasks, several at a time."""

    def __call__(self, image: str, command: list[str], environment: Mapping[str, str], log: TextIO) -> int:
        """Run ``command`` (its first word is ``prunegap``) with these variables; return its exit code.

        What it says goes to ``log``.
        """
        ...

    def stop(self) -> None:
        """Stop every task that is being carried out."""
        ...


@dataclass
class LocalRun:
    """One run of a compiled pipeline on this machine.

    Attributes:
        package: the compiled pipeline.
        folder: where every artifact and log goes.
        carry: what a task is carried out with.
        environment: variables of every task, before those of the compiled file.
        say: told a line for every task that begins, ends or fails.
        cache: whether a task that the folder holds the same result of (image, command, inputs) is skipped.
        arguments: of the pipeline, where they are not its defaults.
    """

    package: Path
    folder: Path
    carry: Carrier
    environment: Mapping[str, str]
    say: Callable[[str], None]
    cache: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> Path:
        """Run the pipeline; return the folder of its comparison.

        Raises:
            UserError: a task failed; says which, and the last line of its log.
        """
        spec = _read(self.package)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._handling(), self._stopping(), _quiet():
                local.init(
                    local.SubprocessRunner(use_venv=False), pipeline_root=str(self.folder), enable_caching=self.cache
                )
                run_local_pipeline(spec, dict(self.arguments))
        except RuntimeError as error:
            raise UserError("\n".join(self.failures.values()) or f"{self.package}: {error}") from error
        found = sorted(self.folder.glob(f"*/**/comparison/{MANIFEST}"), key=lambda path: path.stat().st_mtime)
        return found[-1].parent

    @contextlib.contextmanager
    def _handling(self) -> Generator[None]:
        """Have kfp's orchestrator hand its tasks to us."""
        run = self

        class Handler:
            def __init__(self, image: str, full_command: list[str], env_vars: dict[str, str], **_: object) -> None:
                self.task = (image, full_command, env_vars)

            def run(self) -> Status:
                return Status.SUCCESS if run.carry_out(*self.task) == 0 else Status.FAILURE

        listing = executor_input_utils.dsl_artifact_to_artifact_list

        def flat(artifact: Any) -> Any:  # noqa: ANN401 - kfp's artifacts
            return listing(list(_leaves(artifact)) if isinstance(artifact, list) else artifact)

        with (
            _in_place_of(subprocess_task_handler, "SubprocessTaskHandler", Handler),
            _in_place_of(executor_input_utils, "dsl_artifact_to_artifact_list", flat),
        ):
            yield

    @contextlib.contextmanager
    def _stopping(self) -> Generator[None]:
        """Have Ctrl-C and SIGTERM stop the tasks of a loop too: kfp waits for its threads before it lets go."""
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def stop(number: int, frame: FrameType | None) -> None:
            self._stopped.set()
            self.carry.stop()
            before = kept[signal.Signals(number)]
            if callable(before):
                before(number, frame)

        for number in kept:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, before in kept.items():
                signal.signal(number, before)

    def carry_out(self, image: str, command: list[str], variables: Mapping[str, str]) -> int:
        """Carry out one task, keep its log, and say what became of it; return its exit code."""
        if self._stopped.is_set():
            return STOPPED
        name, folder = self._name(command)
        folder.mkdir(parents=True, exist_ok=True)
        say = self._say_nothing if command[1] in {EACH, LOOK} else self.say
        say(f"{name}: running")
        environment = {**variables, **self.environment}
        if PACKED_DIR in variables:  # a folder in the role of the claim
            environment[PACKED_DIR] = str(self.folder / PACKED)
        with (folder / LOG).open("a", encoding="utf-8") as log:
            code = self.carry(image, command, environment, log)
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        failure = f"{name}: failed with exit code {code}: {lines[-1] if lines else 'it said nothing'}"
        with self._lock:
            self.failures.pop(name, None)
            if code:
                self.failures[name] = failure
        if code:
            self.say(failure)
        else:
            say(f"{name}: done")
        return code

    def _name(self, command: list[str]) -> tuple[str, Path]:
        if command[1] not in {TASK, PLAN, EACH, LOOK}:
            return command[1], self.folder / command[1]
        task = TaskInput.parse(command[-1])
        return task.step or command[-2], task.output_file.parent

    def _say_nothing(self, line: str) -> None:
        """Pass over what only serves the loops and the cache."""


class InProcesses:
    """Carries out tasks with this Python and this machine's prunegap, whatever the image."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def __call__(self, image: str, command: list[str], environment: Mapping[str, str], log: TextIO) -> int:  # noqa: ARG002
        """Run a process to its end and return its exit code."""
        words = [sys.executable, "-m", "prunegap", *command[1:]]
        with subprocess.Popen(  # noqa: S603 - the compiled file's own command
            words, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT
        ) as process:
            self._running.add(process)
            try:
                return process.wait()
            finally:
                process.terminate()
                self._running.discard(process)

    def stop(self) -> None:
        """Terminate the processes; each finishes what it is writing."""
        for process in tuple(self._running):
            process.terminate()


@contextlib.contextmanager
def _in_place_of(module: ModuleType, name: str, ours: object) -> Generator[None]:
    kept = getattr(module, name)
    setattr(module, name, ours)
    try:
        yield
    finally:
        setattr(module, name, kept)


def _leaves(collected: list[Any]) -> Iterator[Any]:
    """Yield what a loop in a loop gave, one after the other, as Kubeflow's driver collects it."""
    for one in collected:
        yield from _leaves(one) if isinstance(one, list) else [one]  # pyright: ignore[reportUnknownArgumentType]


def _read(package: Path) -> Any:  # noqa: ANN401 - kfp's message, which is made when its module is loaded
    """Read a compiled pipeline; before a retry it waits one second.

    What a cluster's wait is for (a node, a network) does not happen here.
    """
    messages: Any = pipeline_spec_pb2
    documents = yaml.safe_load_all(package.read_text(encoding="utf-8"))
    spec = json_format.ParseDict(next(documents), messages.PipelineSpec())
    for dag in (spec.root.dag, *(component.dag for component in spec.components.values())):
        for task in dag.tasks.values():
            if task.HasField("retry_policy"):
                task.retry_policy.backoff_duration.FromSeconds(1)
    return spec


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep kfp's own account to itself: a line a task is said instead."""
    level = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message="Task .* have no effect in the current local runner")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
