"""What a pipeline costs beyond the work of its stages: starting, hashing, reading, writing, sealing, tracking.

The same experiment runs twice, once in one process as ``prunegap run`` does (tracked in a sqlite file), and once with
every stage in a process of its own as a container runs it (``kubeflow-task``, tracked on an MLflow server over HTTP).
Functions of the contract, of the artifacts and of the tracker are timed where they are called; what is left of a
stage is its own work.

interpreter  start and end of the process, reported apart
torch        import of torch, reported apart
imports      everything else a stage imports before it begins
mlflow       import of MLflow's client
hash         checking the hashes of every input
read         load_* of artifacts and checkpoints
write        save_* of artifacts and checkpoints
seal         hashing what was written, manifest, rename
tracking     opening the run, and every call to the tracker
own          the rest of the stage
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.request import urlopen

import torch
from figures import bar, conditions, write
from tables import EXTRA
from timed_stage import BORN

from prunegap.cli.experiment_file import read_experiment
from prunegap.pipeline import prune_and_compare

T = TypeVar("T")
U = TypeVar("U")
CHILD = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("timed_stage.py"))]
SECONDS = 3.0
Steps = Mapping[str, Mapping[str, float]]


@dataclass
class ProcessRunner:
    """Carries out every step in a process of its own; ``spent`` holds the seconds of each."""

    folder: Path
    environment: Mapping[str, str]
    spent: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])

    def run(self, step: str, stage: Any, params: Any, inputs: Any, tags: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Carry out a stage; any stage of the pipeline, hence untyped."""
        folder = self.folder / "steps" / step
        outputs = {port.name: folder / port.name for port in stage.outputs}
        told = executor_input(folder, stage, params, inputs, {"step": step, "tags": dict(tags)})
        command = [*CHILD, stage.name, told]
        began = time.perf_counter()
        environment = {**self.environment, BORN: str(time.time())}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        whole = time.perf_counter() - began
        spent: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        spent["interpreter"] += whole - sum(spent.values())  # the process's end
        self.spent[step] = spent
        return outputs

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Carry out ``body`` for one item after the other."""
        return [body(item) for item in items]


def executor_input(folder: Path, stage: Any, params: Any, inputs: Any, told: Mapping[str, Any]) -> str:  # noqa: ANN401
    """Return what Kubeflow would tell the task."""

    def artifacts(paths: Sequence[Path]) -> dict[str, Any]:
        return {"artifacts": [{"uri": str(path)} for path in paths]}

    given = {port.name: inputs[port.name] for port in stage.inputs}
    outputs: dict[str, Any] = {port.name: artifacts([folder / port.name]) for port in stage.outputs}
    return json.dumps(
        {
            "inputs": {
                "parameterValues": {**params.model_dump(mode="json"), **told},
                "artifacts": {
                    name: artifacts(path if isinstance(path, tuple) else [path]) for name, path in given.items()
                },
            },
            "outputs": {"artifacts": outputs, "outputFile": str(folder / "executor_output.json")},
        }
    )


def measure_processes(experiment: Any, folder: Path, environment: Mapping[str, str]) -> dict[str, dict[str, float]]:  # noqa: ANN401
    """Run the experiment with a process a stage on an MLflow server; return the seconds of each step."""
    with served(folder / "server", environment) as uri:
        told = {**environment, "MLFLOW_TRACKING_URI": uri, "PRUNEGAP_PIPELINE_RUN": "overhead"}
        runner = ProcessRunner(folder / "processes", told)
        prune_and_compare(experiment, runner)
    return runner.spent


@contextmanager
def served(folder: Path, environment: Mapping[str, str]) -> Generator[str]:
    """Yield the address of an MLflow server on a sqlite file, warmed up by one request."""
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder)]
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", *store, *where]
    quiet = {**environment, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, env=quiet, stdout=log, stderr=log, start_new_session=True) as server,
    ):
        try:
            while server.poll() is None:
                try:
                    urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                except (URLError, OSError):
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def measure_one_process(given: argparse.Namespace, folder: Path, environment: Mapping[str, str]) -> Steps:
    """Run the experiment in one process, tracked in a sqlite file; return the seconds of each step."""
    command = [*CHILD, str(given.experiment), str(folder), *given.overrides]
    told = {**environment, BORN: str(time.time())}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=told)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure both ways and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("experiment", type=Path, nargs="?", default=Path("experiments/digits.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    experiment = read_experiment(given.experiment, given.overrides)
    given.device, given.threads = "cpu", torch.get_num_threads()
    ran_on = conditions(given)
    with tempfile.TemporaryDirectory() as name:
        # Compiled modules are kept, as an image holds them.
        environment = dict(os.environ)
        if environment.pop("PYTHONDONTWRITEBYTECODE", None):
            environment.setdefault("PYTHONPYCACHEPREFIX", str(Path(name) / "bytecode"))
        warm = [sys.executable, "-c", "import prunegap.cli.entry, mlflow, mlflow.server"]
        subprocess.run(warm, check=True, env=environment)
        processes = measure_processes(experiment, Path(name), environment)
        together = measure_one_process(given, Path(name) / "together", environment)
    measured = {"processes": rounded(processes), "one_process": rounded(together)}
    write({"measures": "overhead", "conditions": ran_on, **measured, "bars": bars(processes, together)}, given.out)


def rounded(steps: Steps) -> dict[str, dict[str, float]]:
    """Return the seconds of each step to a tenth of a millisecond."""
    return {step: {name: round(value, 4) for name, value in spent.items()} for step, spent in steps.items()}


def bars(processes: Steps, together: Steps) -> list[dict[str, Any]]:
    """Hold each way against 2 % of its run's time or 3 seconds a stage, whichever is more."""
    lines: list[dict[str, Any]] = []
    for way, steps in (("a process a step", processes), ("one process", together)):
        whole = sum(sum(spent.values()) for spent in steps.values())
        extra = {step: sum(spent.get(name, 0.0) for name in EXTRA) for step, spent in steps.items()}
        limit = max(0.02 * whole, SECONDS * len(processes))
        lines.append(
            bar(f"{way}: overhead of all {len(processes)} steps, of {whole:.0f} s", sum(extra.values()), limit)
        )
        worst = max(processes, key=lambda step: extra[step])
        lines.append(bar(f"{way}: overhead of {worst}, the largest", extra[worst], max(0.02 * whole, SECONDS)))
    return lines


if __name__ == "__main__":
    main()
