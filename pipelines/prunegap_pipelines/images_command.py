"""``prunegap-pipelines build-images``: build, tag, push and pin the images."""

from contextlib import closing
from pathlib import Path

import click

from prunegap.errors import UserError
from prunegap_pipelines import LOCK
from prunegap_pipelines.image_engine import open_engine
from prunegap_pipelines.images import DIRTY, LOCAL, TARGETS, build_images, git_revision


@click.command("build-images")
@click.option("--target", "targets", multiple=True, type=click.Choice(TARGETS), help="Image to build.  [default: all]")
@click.option("--name", default=LOCAL, show_default=True, help="What the images' names begin with on this engine.")
@click.option("--registry", metavar="HOST[:PORT]/PATH", help="Push below it and pin the digests.  [default: no push]")
@click.option("--build-arg", "arguments", multiple=True, metavar="KEY=VALUE", help="BASE, INDEX_URL or TORCH_INDEX.")
@click.option("--revision", metavar="REVISION", help="Revision to tag with.  [default: git's]")
@click.option("--context", type=click.Path(path_type=Path), default=Path(), help="Clone to build.  [default: here]")
@click.option("--lock", type=click.Path(path_type=Path), help=f"Image lock to write.  [default: CONTEXT/{LOCK}]")
def build_images_command(
    *,
    targets: tuple[str, ...],
    name: str,
    registry: str | None,
    arguments: tuple[str, ...],
    revision: str | None,
    context: Path,
    lock: Path | None,
) -> None:
    """Build the images, tag them by git revision, push them if --registry is given, and write the image lock.

    TORCH_INDEX is an index with other builds of torch, such as the vendor's CPU wheels.
    """
    settings = dict(_setting(argument) for argument in arguments)
    revision = revision or git_revision(context)
    if revision.endswith(DIRTY):
        click.echo(f"warning: there are changes that are not committed; the tag ends in {DIRTY}", err=True)
    with closing(open_engine()) as engine:
        built = build_images(
            engine,
            targets or TARGETS,
            revision,
            registry,
            settings,
            name=name,
            context=context,
            show=lambda line: click.echo(line, err=True),
        )
    path = lock or context / LOCK
    built.write(path)
    for image in built.images.values():
        click.echo(f"{image.tag}  {image.size_bytes / 1e9:.2f} GB  {image.reference}")
    click.echo(f"Image lock: {path}")


def _setting(argument: str) -> tuple[str, str]:
    key, equals, value = argument.partition("=")
    if not (key and equals):
        raise UserError(f"--build-arg must be KEY=VALUE, got '{argument}'")
    return key, value
