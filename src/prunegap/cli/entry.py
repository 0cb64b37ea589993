"""The commands and where they meet a person: help, errors in one line, exit codes.

Exit codes: 0 done, 1 something the user can put right, 2 a command line that cannot be understood, 130 stopped by
Ctrl-C, 143 by SIGTERM.
"""

import json
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console

from prunegap import __version__
from prunegap.artifacts.comparison import load_differences
from prunegap.artifacts.evaluation import load_evaluations
from prunegap.artifacts.manifest import check, write_json
from prunegap.artifacts.verdict import Verdict
from prunegap.cli.audit_command import EXIT, audit_command
from prunegap.cli.card_command import card_command
from prunegap.cli.close_run import close_run
from prunegap.cli.doctor_command import doctor_command
from prunegap.cli.experiment_file import read_experiment
from prunegap.cli.forgotten_command import forgotten_command
from prunegap.cli.gate_command import gate_command
from prunegap.cli.kubeflow_audit import kubeflow_audit
from prunegap.cli.kubeflow_look import look_at
from prunegap.cli.kubeflow_plan import each_item, plan_cells
from prunegap.cli.kubeflow_task import kubeflow_task
from prunegap.cli.methods_command import methods_command
from prunegap.cli.open_run import open_run
from prunegap.cli.plan_command import plan_command
from prunegap.cli.stage_command import stage_command
from prunegap.cli.terminal import Terminal
from prunegap.errors import NotAdmittedError, UserError
from prunegap.local import Inspector, LocalRunner, artifact, at_work, locked, stages_from
from prunegap.pipeline import STAGES, Experiment, prune_and_compare
from prunegap.progress import shown_by
from prunegap.report.summary import summarise
from prunegap.stages.circumstances import differences
from prunegap.stages.gate import gate

EXPERIMENT = "experiment.json"
STOPPED = "stopped; the same command goes on where it stood"
STOPPED_REDOING = "stopped; finished artifacts are intact; the same command begins again at"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="prunegap")
def cli() -> None:
    """Prune a classifier and bound, for every group, how much more accuracy it may lose than the average.

    \b
    prunegap run experiments/digits.yaml    the whole path, from data to comparison (skips what is done)
    prunegap show runs/digits               the comparison, and which methods are feasible at the tolerance
    prunegap ui runs/digits                 browse runs, masks and per-group metrics in MLflow

    The other commands are the stages of a run, one each, as a container calls them.
    """  # noqa: D301 - \b keeps click from wrapping the lines


@cli.command()
@click.argument("experiment", type=click.Path(path_type=Path), metavar="EXPERIMENT.yaml")
@click.option("--workspace", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/<name>]")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, e.g. finetune.tolerance=0.02."
)
@click.option("--from", "redo_from", metavar="STAGE", help="Do this stage and all after it again.")
@click.option(
    "--tracking-uri", metavar="URI", help="MLflow to log to.  [default: MLFLOW_TRACKING_URI, else the workspace]"
)
@click.option("--no-tracking", is_flag=True, help="Do not log to MLflow.")
@click.option("--keep", is_flag=True, help="Take results that other code made: prunegap's, a library's or your own.")
def run(
    *,
    experiment: Path,
    workspace: Path | None,
    overrides: tuple[str, ...],
    redo_from: str | None,
    tracking_uri: str | None,
    no_tracking: bool,
    keep: bool,
) -> None:
    """Run an experiment; stages whose artifacts are there and match are skipped.

    A run that was stopped or killed goes on where it stood when the same command is given again.
    """
    from prunegap.tracking.session import TrackingSession

    wanted = read_experiment(experiment, overrides)
    folder = workspace or Path("runs") / wanted.name
    redo = stages_from(redo_from)
    terminal = Terminal(Console(stderr=True))
    try:
        with locked(folder):
            note_experiment(folder / EXPERIMENT, wanted)
            session = TrackingSession(folder, tracking_uri, wanted.name, folder.name, {}, enabled=not no_tracking)
            with session, shown_by(terminal.progress):
                prune_and_compare(wanted, LocalRunner(folder, session, redo, terminal.narrate, keep))
    except KeyboardInterrupt as stop:
        raise click.exceptions.Abort(STOPPED if redo_from is None else f"{STOPPED_REDOING} {redo_from}") from stop
    show_workspace(folder)
    if session.page:
        click.echo(f"MLflow: {session.page}")


@cli.command()
@click.argument("workspace", type=click.Path(path_type=Path))
def show(workspace: Path) -> None:
    """Show the comparison of a workspace, and which methods are feasible at the tolerance."""
    show_workspace(workspace)
    for line in cautions(workspace):
        click.echo(f"warning: {line}", err=True)


@cli.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--port", default=5000, show_default=True, help="Port of the page.")
def ui(workspace: Path, port: int) -> None:
    """Browse a workspace's runs in MLflow, until Ctrl-C."""
    from prunegap.tracking.page import serve_ui

    serve_ui(workspace, port)


@cli.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--tracking-uri", metavar="URI", help="MLflow to send to.  [default: MLFLOW_TRACKING_URI, else the last]")
def upload(workspace: Path, tracking_uri: str | None) -> None:
    """Send to MLflow what it lacks of a workspace: what an outage kept back, or all of it to another server."""
    from prunegap.tracking.session import upload as send

    note = workspace / EXPERIMENT
    name = str(json.loads(note.read_text())["name"]) if note.is_file() else ""
    complete = None if at_work(workspace) else artifact(workspace, "compare", "comparison").exists()
    sent = send(workspace, tracking_uri, experiment=name, complete=complete)
    click.echo(f"{sent} step{'' if sent == 1 else 's'} sent")


for _stage in STAGES:
    cli.add_command(gate_command() if _stage is gate else stage_command(_stage))
FOR_PEOPLE = [audit_command, card_command, doctor_command, forgotten_command, plan_command, methods_command]
FOR_CONTAINERS = [kubeflow_task, kubeflow_audit, look_at, plan_cells, each_item, open_run, close_run]
for _command in [*FOR_PEOPLE, *FOR_CONTAINERS]:
    cli.add_command(_command)


def note_experiment(path: Path, experiment: Experiment) -> None:
    """Keep the experiment in its workspace; ``prunegap run`` takes the file as it takes the YAML."""
    plain = experiment.plain()
    if not path.exists() or json.loads(path.read_text()) != plain:
        write_json(path, plain)


def show_workspace(workspace: Path) -> None:
    """Print the tables of a finished run."""
    comparison = artifact(workspace, "compare", "comparison")
    if not workspace.is_dir():
        raise UserError(f"{workspace}: no such workspace; prunegap run EXPERIMENT.yaml makes one")
    if not comparison.exists():
        raise UserError(f"{workspace}: no comparison there yet; prunegap run goes on to it")
    show_comparison(comparison)


def cautions(workspace: Path) -> Iterator[str]:
    """Yield what a reader of a workspace's figures should know: they are older than their source, or of several makes.

    Raises:
        UserError: the workspace's experiment is not one this program reads.
    """
    path = workspace / EXPERIMENT
    if not path.is_file():
        return
    seen = Inspector(workspace)
    prune_and_compare(read_experiment(path), seen)
    first = next(((step, why) for step, why in seen.stale.items()), None)
    if first is not None:
        step, why = first
        yield (
            f"older than what it was made from: {step} ({why or 'not done'}); the steps that `prunegap run` would do "
            f"again: {len(seen.stale)}"
        )
    for circumstance, values in differences(seen.made_on).items():
        yield (
            f"made under different {circumstance}: {', '.join(values)}; bits, and figures of small groups, can differ "
            "by that alone"
        )


def show_comparison(comparison: Path) -> None:
    """Print the tables of a comparison artifact."""
    from prunegap.report.differences import sentences_at
    from prunegap.report.tables import comparison_table, group_table
    from prunegap.report.verdict_text import short_verdict

    check(comparison, "comparison")
    evaluations, verdict = load_evaluations(comparison), Verdict.load(comparison)
    rows, beside = summarise(evaluations, verdict), load_differences(comparison)
    console = Console(width=None if sys.stdout.isatty() else 100)
    for line in short_verdict(verdict):
        console.print(line, markup=False, highlight=False)
    console.print()
    for split in ("train", "test"):
        console.print(comparison_table(rows, split))
    for level in dict.fromkeys(row.sparsity for row in rows):
        console.print(group_table(evaluations, level, "test", verdict))
        for method, sentence in sentences_at(beside, level):
            console.print(f"{method} {sentence}", markup=False, highlight=False)
    console.print(f"Report: {comparison / 'comparison.html'}", soft_wrap=True)


class Terminated(KeyboardInterrupt):
    """SIGTERM: stops what Ctrl-C stops."""


def terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Raise :class:`Terminated`."""
    raise Terminated


def enter(command: click.Command = cli) -> None:
    """Run a command line; what a user can put right is one line and exit code 1, never a traceback."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("prunegap").setLevel(logging.INFO)
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.INFO, "info")
    signal.signal(signal.SIGTERM, terminate)
    try:
        command.main(standalone_mode=False)
    except UserError as error:
        for line in str(error).splitlines():
            click.echo(f"error: {line}", err=True)
        sys.exit(EXIT[error.verdict] if isinstance(error, NotAdmittedError) else 1)
    except click.exceptions.Abort as stop:
        click.echo(str(stop) or STOPPED, err=True)
        sys.exit(143 if isinstance(stop.__cause__, Terminated) else 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
