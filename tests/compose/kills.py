"""Kills at random moments of a compose run: MLflow, PostgreSQL, the object store, and a step at work."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compose.project import Project

SERVERS = ("mlflow", "postgres", "objectstore")
A_STEP = "a step"
LONGEST = 6.0  # seconds a kill comes at most after the step began at whose time it comes


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        victim: of :data:`SERVERS`, or :data:`A_STEP`: whichever is at work then.
        step: it comes while this step is at work, or as soon as the run is beyond it.
        after: seconds after that step began.
        crash: the process dies by itself, so that a server is started again by the engine; else it stays away until
            the run is started again.
    """

    victim: str
    step: str
    after: float
    crash: bool


def planned(steps: Sequence[str], seed: int) -> list[Kill]:
    """Return a kill of every kind, in the order of the steps at whose time they come."""
    chance = random.Random(seed)
    kills = [
        Kill(victim, chance.choice(steps), chance.uniform(0, LONGEST), chance.random() < 0.5)
        for victim in (*SERVERS, A_STEP)
    ]
    return sorted(kills, key=lambda kill: (steps.index(kill.step), kill.after))


def run_through(project: Project, file: Path, kills: Sequence[Kill], steps: Sequence[str], name: str) -> list[str]:
    """Run a file under the kills, started again whenever it failed, until it has ended well; say what was done."""
    assert project.compose("down", files=(file,)).returncode == 0  # what an earlier run left counts as no step of this
    told: list[str] = []
    run = project.start(file, name)
    for kill in kills:
        while not reached(project, kill.step):
            if run.poll() is not None:
                told.append(last_line(run))
                run = project.start(file, name)
            time.sleep(0.3)
        time.sleep(kill.after)
        while not (container := target(project, kill.victim, steps)) and run.poll() is None:
            time.sleep(0.3)
        if container:
            strike(container, crash=kill.crash)
        told.append(f"{kill}: {container or 'nothing left to kill'}")
    for _ in range(len(kills) + 1):
        told.append(last_line(run))
        if run.returncode == 0:
            return told
        run = project.start(file, name)
    raise AssertionError("\n".join(told))


def last_line(run: subprocess.Popen[str]) -> str:
    """Wait for a run to end and return what it said last."""
    said = run.communicate()[1].strip().splitlines()
    return f"exit code {run.returncode}: {said[-1] if said else ''}"


def reached(project: Project, step: str) -> bool:
    """Whether a step is at work or behind."""
    return state(project.container(step)).get("Status") in {"running", "exited"}


def target(project: Project, victim: str, steps: Sequence[str]) -> str:
    """Return the running container of a victim; empty if there is none just now."""
    names = steps if victim == A_STEP else [victim]
    containers = (project.container(name) for name in names)
    return next((one for one in containers if state(one).get("Status") == "running"), "")


def strike(container: str, *, crash: bool) -> None:
    """Kill a container's process: from beside it where the engine is this machine's own, else through the engine."""
    if crash and (process := state(container).get("Pid")):
        try:
            os.kill(process, signal.SIGKILL)
        except (PermissionError, ProcessLookupError):
            pass
        else:
            return
    subprocess.run(["docker", "kill", container], check=False, capture_output=True)


def state(container: str) -> dict:
    """Return the engine's account of a container; empty if it has none."""
    if not container:
        return {}
    looked = subprocess.run(
        ["docker", "inspect", "--format", "{{json .State}}", container], check=False, capture_output=True, text=True
    )
    return json.loads(looked.stdout or "{}")
