"""Options that several commands share: which image, what decides a pipeline's shape, and what is run."""

from collections.abc import Callable
from pathlib import Path

import click
from prunegap_components.image_names import STAGE_IMAGE

from prunegap_pipelines import LOCK

FIXED = ("images", "image", "resources")
IMAGE_OPTIONS = [
    click.option(
        "--images", type=click.Path(path_type=Path), help=f"Image lock that a build wrote.  [default: {LOCK}, if there]"
    ),
    click.option("--image", help=f"Image of the stages, instead of a lock.  [default: {STAGE_IMAGE}]"),
]
SHAPE = [
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a key, e.g. finetune.tolerance=0.02.",
    ),
    *IMAGE_OPTIONS,
    click.option("--resources", metavar="cpu|gpu|FILE.yaml", help="What the tasks get.  [default: cpu]"),
]
CELLS = click.option(
    "--cells",
    metavar="FILE|JSON",
    help="List of cells to run instead of the experiment's: seed, sparsity, tolerance, method, and more of finetune.",
)


def names_image(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which image the stages have."""
    for option in reversed(IMAGE_OPTIONS):
        command = option(command)
    return command


def shapes_pipeline(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that decide what is compiled."""
    for option in reversed(SHAPE):
        command = option(command)
    return click.argument("experiment", type=click.Path(path_type=Path), metavar="EXPERIMENT.yaml")(command)


def runs_pipeline(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that decide what is run: a compiled pipeline, or an experiment that is compiled first."""
    for option in reversed([CELLS, *SHAPE]):
        command = option(command)
    path = click.Path(path_type=Path)
    return click.argument("experiment", type=path, metavar="EXPERIMENT.yaml|PACKAGE.yaml")(command)
