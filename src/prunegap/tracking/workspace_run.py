"""What a workspace remembers of its pipeline run: ``tracking.json``."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from prunegap.artifacts.manifest import write_json
from prunegap.errors import UserError
from prunegap.tracking.environment import experiment_name, pipeline_run_name
from prunegap.tracking.tracked_step import RUNNING

FILE = "tracking.json"


@dataclass(frozen=True)
class WorkspaceRun:
    """Enough to go on with the run, or to send it elsewhere later.

    ``uri`` is the last address used, without a password.
    """

    id: str
    name: str
    experiment: str
    tags: Mapping[str, str]
    status: str
    uri: str


def read_workspace_run(workspace: Path) -> WorkspaceRun | None:
    """Return the workspace's pipeline run, or None where nothing was tracked yet.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return WorkspaceRun(**json.loads((workspace / FILE).read_text()))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError) as error:
        raise UserError(f"{workspace / FILE}: unreadable ({error}); delete it to start a new tracked run") from None


def write_workspace_run(workspace: Path, run: WorkspaceRun) -> None:
    """Write ``tracking.json``."""
    write_json(workspace / FILE, asdict(run))


def new_workspace_run(name: str, experiment: str, status: str = RUNNING) -> WorkspaceRun:
    """Return a run that no server has heard of."""
    return WorkspaceRun(f"{name}-{uuid.uuid4().hex[:12]}", name, experiment, {}, status, "")


def containers_run(pipeline_run: str, status: str = RUNNING) -> WorkspaceRun:
    """Return the run whose steps are containers: their environment says what it is called."""
    return WorkspaceRun(pipeline_run, pipeline_run_name(pipeline_run), experiment_name(), {}, status, "")


def begin_workspace_run(workspace: Path, experiment: str, name: str, tags: Mapping[str, str]) -> WorkspaceRun:
    """Return the workspace's pipeline run, now running; it is written down before any server hears of it."""
    known = read_workspace_run(workspace) or new_workspace_run(name, experiment)
    run = replace(known, experiment=experiment, tags=dict(tags), status=RUNNING)
    workspace.mkdir(parents=True, exist_ok=True)
    write_workspace_run(workspace, run)
    return run
