"""A stage as a command: a flag a parameter, a flag an artifact, all from the stage's own definition."""

import time
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from rich.console import Console

from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.cli.explain import explain, flag
from prunegap.cli.terminal import Terminal
from prunegap.errors import UserError
from prunegap.progress import shown_by
from prunegap.stages.contract import Paths, Port, Stage, artifacts_of
from prunegap.stages.params import StageParams
from prunegap.stages.provenance import made_in
from prunegap.tracking.names import step_tags
from prunegap.tracking.protocol import RememberingTracker
from prunegap.tracking.stage import complete_step, stage_tracker
from prunegap.tracking.tracked_step import Step


def stage_command(stage: Stage[..., Any]) -> click.Command:
    """Return the command that carries out ``stage``."""
    options = [_artifact_option(port, "read") for port in stage.inputs]
    options += [_artifact_option(port, "write") for port in stage.outputs]
    options += [_parameter_option(name, info) for name, info in stage.params_type.model_fields.items()]
    options += STEP_OPTIONS

    def command(*, step: str, tag: tuple[str, ...], unless_done: bool, **values: Any) -> None:  # noqa: ANN401
        inputs = {port.name: _paths(values.pop(port.name)) for port in stage.inputs}
        outputs = {port.name: Path(values.pop(port.name)) for port in stage.outputs}
        given = {name: value for name, value in values.items() if value is not None}
        params = validated(stage, given, flag)
        if unless_done and stage.changes(stage.identity(params, inputs), outputs) == []:
            click.echo(f"{step or stage.name}: up to date", err=True)
            folder, read = _folder_of(stage, outputs), [path for _, _, path in artifacts_of(stage.inputs, inputs)]
            name, told = step or stage.name, step_tags(stage.name, _tags(tag))
            complete_step(folder, Step.beginning(name, folder, params.effective(), told, outputs), read)
        else:
            carry_out(stage, params, inputs, outputs, step=step, tags=_tags(tag))
        params.admit(outputs)

    return click.Command(stage.name, params=list(options), callback=command, help=stage.summary)


STEP_OPTIONS = [
    click.Option(["--step"], default="", metavar="NAME", help="Name of the step in MLflow.  [default: the stage's]"),
    click.Option(["--tag"], multiple=True, metavar="KEY=VALUE", help="Tag of the step in MLflow, e.g. seed=0."),
    click.Option(
        ["--unless-done"], is_flag=True, help="Do nothing if the outputs are there and were made from the same things."
    ),
]


def validated(
    stage: Stage[..., Any], given: Mapping[str, object], name_of: Callable[[Sequence[str | int]], str]
) -> StageParams:
    """Return a stage's parameters.

    Raises:
        UserError: a line for each value that breaks a rule, which begins with what ``name_of`` calls it.
    """
    try:
        return stage.params_type.model_validate(given)
    except ValidationError as error:
        raise UserError("\n".join(explain(error, stage.params_type, name_of))) from None


def carry_out(
    stage: Stage[..., Any],
    params: StageParams,
    inputs: Paths,
    outputs: Mapping[str, Path],
    *,
    step: str,
    tags: Mapping[str, str],
) -> dict[str, float]:
    """Carry out a stage as a process of its own, tracked as its environment says; return its last metrics."""
    folder = _folder_of(stage, outputs)
    with clear_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with (
        stage_tracker(
            folder, step or stage.name, params.effective(), step_tags(stage.name, tags), outputs=outputs
        ) as tracker,
        shown_by(Terminal(Console(stderr=True)).progress),
    ):
        began = time.perf_counter()
        remembering = RememberingTracker(tracker)
        made_by = made_in(step or stage.name, step_tags(stage.name, tags))
        stage.run(params, inputs, outputs, remembering, made_by)
    click.echo(f"{step or stage.name}: done in {time.perf_counter() - began:.1f} s", err=True)
    return remembering.metrics


def _folder_of(stage: Stage[..., Any], outputs: Mapping[str, Path]) -> Path:
    return outputs[stage.outputs[0].name].parent


def _tags(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [tag.partition("=") for tag in given]
    broken = next((key for key, equals, _ in pairs if not (key and equals)), None)
    if broken is not None:
        raise UserError(f"--tag {broken}: must be key=value, for example seed=0")
    return {key: value for key, _, value in pairs}


def _paths(value: str | tuple[str, ...]) -> Path | tuple[Path, ...]:
    return tuple(Path(path) for path in value) if isinstance(value, tuple) else Path(value)


def _artifact_option(port: Port, verb: str) -> click.Option:
    text = f"Folder of the {port.kind} artifact to {verb}." + (" Give it once for each." if port.many else "")
    return click.Option(
        ["--" + port.name.replace("_", "-"), port.name],
        required=True,
        multiple=port.many,
        metavar="DIR",
        help=text,
    )


def _parameter_option(name: str, info: FieldInfo) -> click.Option:
    flag_name = "--" + name.replace("_", "-")
    annotation: Any = info.annotation
    text = f"{info.description}  [default: {_shown(info.default)}]{bounds(info)}"
    if annotation is bool:
        return click.Option([f"{flag_name}/--no-{flag_name[2:]}", name], default=None, help=text)
    if typing.get_origin(annotation) is tuple:
        return click.Option([flag_name, name], metavar="A,B,...", callback=_split, help=text)
    if typing.get_origin(annotation) is typing.Literal:
        choices = [str(choice) for choice in typing.get_args(annotation)]
        return click.Option([flag_name, name], metavar="|".join(choices), callback=_literal(annotation), help=text)
    metavar = {int: "INTEGER", float: "NUMBER"}.get(annotation, "TEXT")
    return click.Option([flag_name, name], metavar=metavar, help=text)


def _split(_context: click.Context, _option: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def _literal(annotation: Any) -> Any:  # noqa: ANN401 - a Literal type, a click callback
    numbers = {str(choice): choice for choice in typing.get_args(annotation)}
    return lambda _context, _option, value: numbers.get(value, value)


def _shown(default: object) -> str:
    if isinstance(default, tuple | list):
        return ",".join(str(value) for value in default) or "none"
    return "none" if default == "" else str(default)


SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def bounds(info: FieldInfo) -> str:
    """Return the bounds of a parameter as its help shows them; empty without any."""
    rules = [
        f"{sign} {getattr(bound, name)}"
        for bound in info.metadata
        for name, sign in SIGNS.items()
        if hasattr(bound, name)
    ]
    return f"  [{', '.join(rules)}]" if rules else ""
