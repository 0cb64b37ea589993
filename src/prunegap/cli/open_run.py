"""The command that opens a pipeline run in MLflow: the first thing that runs in Kubeflow and compose."""

from pathlib import Path

import click

from prunegap.cli.close_run import workspace_option
from prunegap.tracking.unattended_run import open_pipeline_run


@click.command("open-run")
@workspace_option
def open_run(workspace: Path | None) -> None:
    """Open the MLflow run of a pipeline run, so that its steps find it; twice is as good as once.

    PRUNEGAP_PIPELINE_RUN or KFP_RUN_ID says which one, MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME where.
    """
    click.echo(open_pipeline_run(workspace), err=True)
