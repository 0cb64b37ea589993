"""``prunegap audit`` as a step of any pipeline: predictions that another step wrote, or that lie somewhere."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from prunegap.artifacts.manifest import clear_disk_errors, write_json
from prunegap.cli.audit_command import WRONG_CALL, audit_command
from prunegap.cli.kubeflow_plan import write_parameter
from prunegap.cli.kubeflow_task import TaskInput, described, require_writable
from prunegap.errors import UserError

AUDIT = "kubeflow-audit"
PREDICTIONS, OTHER, LOCATION, ENFORCE = "predictions", "other", "location", "enforce"
FIGURES, REPORT, VERDICT = "audit", "report", "verdict"
PARAMETERS: dict[str, click.Option] = {
    option.name: option
    for option in audit_command.params
    if isinstance(option, click.Option) and option.name and option.name != OTHER and not option.name.endswith("_file")
}
"""What the command line takes besides files, by the name of the component's parameter."""


@click.command(AUDIT)
@click.argument("executor_input", metavar="EXECUTOR_INPUT")
def kubeflow_audit(executor_input: str) -> None:
    """Judge predictions as Kubeflow's executor input says; fail unless the verdict passes, where it is enforced."""
    task = TaskInput.parse(executor_input)
    tables = [*map(str, task.inputs.get(PREDICTIONS, ())), *filter(None, [task.parameters.get(LOCATION)])]
    if len(tables) != 1:
        raise UserError(f"{PREDICTIONS}: give the artifact of another step or a {LOCATION}, got {len(tables)} of them")
    places = {"--json": task.outputs[FIGURES], "--html": task.outputs[REPORT]}
    for path in (*places.values(), task.output_file):
        require_writable(path)
        with clear_disk_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
    files = [word for option, path in places.items() for word in (option, str(path))]
    files += [word for path in task.inputs.get(OTHER, ()) for word in ("--with", str(path))]
    status = _audited([*tables, *_flags(task), *files])
    if status != WRONG_CALL:
        verdict = _verdict(places["--json"])
        write_parameter(executor_input, VERDICT, verdict)
        write_json(task.output_file, described(task.uris, {FIGURES: {VERDICT: verdict}}))
    sys.exit(status if status == WRONG_CALL or task.parameters.get(ENFORCE, True) else 0)


def _flags(task: TaskInput) -> Iterator[str]:
    """Yield the command line's words for the parameters that say something."""
    for name, option in PARAMETERS.items():
        value: Any = task.parameters.get(name)
        if option.is_flag:
            yield from option.opts[:1] if value else ()
        elif option.multiple:
            yield from (word for one in value or () for word in (option.opts[0], str(one)))
        elif value not in {None, ""}:
            yield from (option.opts[0], str(value))


def _audited(arguments: list[str]) -> int:
    try:
        audit_command.main(arguments, prog_name="audit", standalone_mode=False)
    except click.UsageError as error:
        raise UserError(error.format_message()) from None
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _verdict(figures: Path) -> str:
    """Return the verdict of all groupings together."""
    from prunegap.report.audit_words import worst

    told = json.loads(figures.read_text(encoding="utf-8"))
    return worst([one["verdict"] for one in (told if isinstance(told, list) else [told])])
