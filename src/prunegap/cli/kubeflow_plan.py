"""What a Kubeflow pipeline loops over: the list of cells, checked and by what they share, and lists within it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from prunegap.artifacts.manifest import clear_disk_errors, write_json
from prunegap.cli.explain import explain, yaml_key
from prunegap.cli.kubeflow_task import TaskInput
from prunegap.errors import UserError
from prunegap.pipeline.cells import Cell, Cells, PruningPart, SeedPart, with_defaults
from prunegap.stages.finetune import FinetuneParams, finetune

PLAN, EACH = "plan-cells", "each-item"
LIST = "Output"
"""Name of the output that a loop goes over; kfp's local orchestrator knows no other for one of a task."""
ITEMS = "items"


@click.command(PLAN)
@click.argument("executor_input", metavar="EXECUTOR_INPUT")
def plan_cells(executor_input: str) -> None:
    """Check a pipeline run's list of cells and write what its loops go over, before anything is computed."""
    task = TaskInput.parse(executor_input)
    planned = checked_cells(task.parameters)
    write_parameter(executor_input, LIST, [item(part) for part in planned.parts()])
    click.echo(f"{len(planned.cells)} cells", err=True)


@click.command(EACH)
@click.argument("executor_input", metavar="EXECUTOR_INPUT")
def each_item(executor_input: str) -> None:
    """Hand a list on as an output, which a loop inside a loop can go over."""
    write_parameter(executor_input, LIST, TaskInput.parse(executor_input).parameters[ITEMS])


def checked_cells(given: Mapping[str, Any]) -> Cells:
    """Return a list of cells that can be one run.

    Args:
        given: ``cells``, further fields of :class:`Cells`, and parameters of finetune for cells that set none of
            their own.

    Raises:
        UserError: a line for each value that breaks a rule.
    """
    usual = {name: given[name] for name in FinetuneParams.model_fields if name in given}
    own = {name: given[name] for name in Cells.model_fields if name in given}
    try:
        return Cells.model_validate({**own, "cells": with_defaults(own.get("cells", ()), usual)})
    except ValidationError as error:
        raise UserError("\n".join(explain(error, Cells, yaml_key))) from None


def item(part: SeedPart | PruningPart | Cell) -> dict[str, Any]:
    """Return a part of a run as plain values: its steps' parameters, names and tags."""
    steps = {name: getattr(part, name) for name in dir(type(part)) if name.endswith("_step")}
    named = {**steps, "tags": dict(part.tags), "seed": part.seed}
    match part:
        case SeedPart():
            return {**named, "prunings": [item(one) for one in part.prunings]}
        case PruningPart():
            return {**named, "sparsity": part.sparsity, "cells": [item(one) for one in part.cells]}
        case Cell():
            return {**named, **part.model_dump(mode="json"), "made_from": finetune.surroundings(part).digest}


def write_parameter(executor_input: str, name: str, value: Sequence[Any] | str) -> None:
    """Write an output parameter where the executor input says: a list as JSON, a text as it is.

    Raises:
        UserError: it says no place for this output, or the disk refuses.
    """
    try:
        path = Path(json.loads(executor_input)["outputs"]["parameters"][name]["outputFile"])
    except (LookupError, TypeError) as error:
        raise UserError(f"EXECUTOR_INPUT: no place for the output {name} ({type(error).__name__}: {error})") from None
    with clear_disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value, encoding="utf-8") if isinstance(value, str) else write_json(path, value)
