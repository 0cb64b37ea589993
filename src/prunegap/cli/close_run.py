"""The command that closes a pipeline run in MLflow: Kubeflow's exit handler, and the last service of compose."""

from pathlib import Path

import click

from prunegap.tracking.final_status import FinalStatus
from prunegap.tracking.unattended_run import close_pipeline_run

workspace_option = click.option(
    "--workspace", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run's steps, where there is one."
)


@click.command("close-run")
@click.argument("status", metavar="STATUS")
@workspace_option
def close_run(status: str, workspace: Path | None) -> None:
    """Close the MLflow run of a pipeline run: FINISHED, FAILED, KILLED, or what Kubeflow tells an exit handler.

    A state that does not say how the run ended, or is not known, goes by the last stage: FINISHED if compare is done,
    else FAILED.

    PRUNEGAP_PIPELINE_RUN or KFP_RUN_ID says which one, MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME where. With a
    workspace, what MLflow lacks of its steps is sent first.
    """
    told = FinalStatus.parse(status)
    said = close_pipeline_run(told.status, told.error, workspace)
    click.echo(f"{said}; {told.remark}" if told.remark else said, err=True)
