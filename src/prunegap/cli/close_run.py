"""The command that closes a pipeline run in MLflow: Kubeflow's exit handler, and the last service of compose."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from prunegap.errors import UserError
from prunegap.tracking.unattended_run import close_pipeline_run

STATUSES = {
    "FINISHED": "FINISHED",
    "SUCCEEDED": "FINISHED",
    "FAILED": "FAILED",
    "ERROR": "FAILED",
    "KILLED": "KILLED",
    "CANCELLED": "KILLED",
    "CANCELED": "KILLED",
    "CANCELLING": "KILLED",
    "CANCELING": "KILLED",
}
"""MLflow's status by what MLflow and Kubeflow call it."""


workspace_option = click.option(
    "--workspace", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run's steps, where there is one."
)


@click.command("close-run")
@click.argument("status", metavar="STATUS")
@workspace_option
def close_run(status: str, workspace: Path | None) -> None:
    """Close the MLflow run of a pipeline run: FINISHED, FAILED, KILLED, or what Kubeflow tells an exit handler.

    PRUNEGAP_PIPELINE_RUN or KFP_RUN_ID says which one, MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME where. With a
    workspace, what MLflow lacks of its steps is sent first.
    """
    outcome = Outcome.parse(status)
    click.echo(close_pipeline_run(outcome.status, outcome.error, workspace), err=True)


@dataclass(frozen=True)
class Outcome:
    """How a pipeline run ended: MLflow's status, and the error's message if there is one."""

    status: str
    error: str = ""

    @classmethod
    def parse(cls, text: str) -> "Outcome":
        """Read a status, or the JSON of Kubeflow's ``PipelineTaskFinalStatus``.

        Raises:
            UserError: neither.
        """
        if not text.lstrip().startswith("{"):
            return cls(_status(text))
        try:
            told: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise UserError(f"STATUS: not the JSON Kubeflow passes as PipelineTaskFinalStatus ({error})") from None
        return cls(_status(str(told.get("state", ""))), _message(told))


def _status(word: str) -> str:
    status = STATUSES.get(word.strip().upper())
    if status is None:
        raise UserError(
            f"STATUS '{word}': must be FINISHED, FAILED or KILLED, or the JSON of Kubeflow's PipelineTaskFinalStatus "
            f"with one of these as its state: {', '.join(STATUSES)}"
        )
    return status


def _message(told: dict[str, Any]) -> str:
    error: Any = told.get("error") or {}
    nested = error.get("message") if isinstance(error, dict) else error
    return str(nested or told.get("errorMessage") or told.get("error_message") or "")
