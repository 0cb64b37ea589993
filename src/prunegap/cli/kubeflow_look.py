"""What lies outside a pipeline, looked at where and when the pipeline runs: a part of Kubeflow's cache key."""

import uuid

import click

from prunegap.cli.kubeflow_plan import write_parameter
from prunegap.cli.kubeflow_task import MADE_FROM, TaskInput
from prunegap.cli.stage_command import validated
from prunegap.pipeline import STAGES
from prunegap.stages.contract import Stage

LOOK = "look-at"
LOOKING = {stage.name: stage for stage in STAGES if stage.reads_outside}
"""The stages that read something besides their inputs, by name."""


@click.command(LOOK)
@click.argument("stage", type=click.Choice(list(LOOKING)), metavar="STAGE")
@click.argument("executor_input", metavar="EXECUTOR_INPUT")
def look_at(stage: str, executor_input: str) -> None:
    """Write the digest of the data and code behind a stage's parameters; a new one where they cannot be looked at."""
    write_parameter(executor_input, MADE_FROM, digest_now(LOOKING[stage], TaskInput.parse(executor_input)))


def digest_now(stage: Stage[..., object], task: TaskInput) -> str:
    """Return the digest of the data and code behind a task's parameters as they are now.

    Of what cannot be looked at, no earlier result may be taken: the digest is then one that there was never before.
    """
    given = {key: value for key, value in task.parameters.items() if key in stage.params_type.model_fields}
    now = stage.surroundings(validated(stage, given, lambda path: str(path[0]) if path else ""))
    if not now.not_looked_at:
        return now.digest
    click.echo(
        f"{stage.name}: no cached result is taken, for what it reads cannot be looked at: "
        f"{', '.join(now.not_looked_at)}",
        err=True,
    )
    return uuid.uuid4().hex
