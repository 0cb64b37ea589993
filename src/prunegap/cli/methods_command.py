"""``prunegap methods``: what there is to choose from, ours and that of installed packages, each in a line."""

import inspect
from collections.abc import Iterator
from typing import Literal

import click

KINDS: dict[str, Literal["pruning_rules", "controllers"]] = {
    "pruning rules (prune.rule)": "pruning_rules",
    "controllers of the multipliers": "controllers",
}


@click.command("methods")
def methods_command() -> None:
    """List every method, pruning rule and controller, ours and of installed packages, with what it does."""
    for heading, lines in listed():
        width = max(len(name) for name, _ in lines)
        click.echo("\n".join([heading, *(f"  {name:<{width}}  {told}" for name, told in lines), ""]))


def listed() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each kind with the name and the first line of what stands behind it.

    Raises:
        UserError: a package that cannot be imported.
    """
    from prunegap.extensions import extension, extensions
    from prunegap.training.methods import find_method, method_names

    yield "methods of fine-tuning", [(name, find_method(name).summary) for name in method_names()]
    for heading, kind in KINDS.items():
        yield heading, [(name, _first_line(extension(kind, name))) for name in extensions(kind)]


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "(it does not say)").partition("\n")[0]
