"""``prunegap-pipelines``: compile an experiment for Kubeflow, submit it, or run the compiled file on this machine."""

import importlib.util
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from prunegap_components.image_names import STAGE_IMAGE

from prunegap import __version__
from prunegap.atomic import write_atomically
from prunegap.cli.entry import enter, show_comparison
from prunegap.cli.experiment_file import read_experiment
from prunegap.errors import UserError
from prunegap.pipeline import Experiment
from prunegap.stages.checkpoint_place import CHECKPOINT_DIR
from prunegap.tracking.environment import PIPELINE_RUN_VARIABLE
from prunegap_pipelines import LOCK
from prunegap_pipelines.options import FIXED, names_image, runs_pipeline, shapes_pipeline

if TYPE_CHECKING:
    from prunegap_pipelines.local_run import Carrier
    from prunegap_pipelines.package import Package


def main() -> None:
    """Run the command line."""
    missing = [name for name in ("kfp", "docker") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"error: prunegap-pipelines needs {' and '.join(missing)}: pip install 'prunegap[pipelines]'")
    from prunegap_pipelines.images_command import build_images_command

    cli.add_command(build_images_command)
    enter(cli)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="prunegap-pipelines")
def cli() -> None:
    """Run prunegap's experiments as pipelines of containers.

    \b
    prunegap-pipelines build-images                                  images of the stages and of MLflow
    prunegap-pipelines compile experiments/digits.yaml               a package for Kubeflow
    prunegap-pipelines run-local experiments/smoke.yaml              the same package here, a process a task
    prunegap-pipelines submit experiments/digits.yaml --host ADDRESS on a cluster
    prunegap-pipelines components FOLDER                             the stages, for pipelines of your own
    """  # noqa: D301 - \b keeps click from wrapping the lines


@cli.command("compile")
@shapes_pipeline
@click.option("--output", type=click.Path(path_type=Path), help="Package to write.  [default: <name>.pipeline.yaml]")
def compile_command(*, experiment: Path, output: Path | None, **shape: Any) -> None:  # noqa: ANN401
    """Compile an experiment into a package that Kubeflow Pipelines takes."""
    wanted = read_experiment(experiment, shape["overrides"])
    path = output or Path(f"{wanted.name}.pipeline.yaml")
    compile_to(path, wanted, _image(shape, for_cluster=True), shape["resources"] or "cpu")
    click.echo(path)


@cli.command("components")
@click.argument("folder", type=click.Path(path_type=Path))
@names_image
def components_command(*, folder: Path, **shape: Any) -> None:  # noqa: ANN401
    """Write a component.yaml a stage into FOLDER, with your image, for pipelines of your own."""
    from prunegap_components.generate import component_files, write

    for path, text in component_files(_image(shape, for_cluster=True)):
        write(folder / path, text)
        click.echo(folder / path)


@cli.command("run-local")
@runs_pipeline
@click.option("--containers", is_flag=True, help="A container a task, on this machine's Docker; else a process a task.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where artifacts and logs go.  [default: runs/pipelines/<name>]"
)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Folder the containers see as /data.")
@click.option("--network", default="", help="Docker network the containers join, e.g. that of MLflow.")
@click.option("--cache", is_flag=True, help="Skip tasks that the folder holds the same result of.")
def run_local(
    *,
    experiment: Path,
    containers: bool,
    folder: Path | None,
    data: Path | None,
    network: str,
    cache: bool,
    cells: str | None,
    **shape: Any,  # noqa: ANN401
) -> None:
    """Run a compiled pipeline on this machine, exactly the file that Kubeflow would get.

    MLFLOW_TRACKING_URI and keys in the environment reach the tasks.
    """
    from prunegap_pipelines.local_run import InProcesses, LocalRun

    with tempfile.TemporaryDirectory() as scratch:
        compiled = _package(experiment, shape, Path(scratch), for_cluster=False)
        arguments = compiled.arguments(cells)
        place = (folder or Path("runs/pipelines") / compiled.experiment).absolute()
        checkpoints = place / "checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        package = place / "pipeline.yaml"
        if not (package.exists() and package.samefile(compiled.path)):
            shutil.copyfile(compiled.path, package)
    carry: Carrier = InProcesses()
    if containers:
        from prunegap_pipelines.containers import InContainers
        from prunegap_pipelines.image_engine import open_engine
        from prunegap_pipelines.resources import DATA

        mounts = {DATA: data.absolute()} if data else {}
        carry = InContainers(open_engine(), place, mounts, network, gpu=compiled.wants_gpu)
        carry.require(compiled.image)
    environment = {
        CHECKPOINT_DIR: str(checkpoints),
        PIPELINE_RUN_VARIABLE: os.environ.get(PIPELINE_RUN_VARIABLE, f"{compiled.experiment}-{uuid.uuid4().hex[:12]}"),
    }
    run = LocalRun(
        package, place, carry, environment, lambda line: click.echo(line, err=True), cache=cache, arguments=arguments
    )
    show_comparison(run())


@cli.command("submit")
@runs_pipeline
@click.option("--host", envvar="KFP_HOST", required=True, help="Address of Kubeflow Pipelines' API.  [env: KFP_HOST]")
@click.option("--namespace", default="", help="Profile namespace, on a Kubeflow that serves several users.")
@click.option("--experiment-name", help="Experiment in Kubeflow.  [default: the experiment's name]")
@click.option("--run-name", help="Name of the run.  [default: <name> and a short id]")
@click.option(
    "--token-file", type=click.Path(path_type=Path, exists=True), help="File with a bearer token.  [env: KFP_TOKEN]"
)
@click.option("--no-cache", is_flag=True, help="Run every task, also those with a cached result.")
@click.option("--no-wait", is_flag=True, help="Submit and leave.")
@click.option("--timeout", default=24.0, show_default=True, help="Hours to wait.")
def submit_command(
    *,
    experiment: Path,
    host: str,
    namespace: str,
    experiment_name: str | None,
    run_name: str | None,
    token_file: Path | None,
    no_cache: bool,
    no_wait: bool,
    timeout: float,
    cells: str | None,
    **shape: Any,  # noqa: ANN401
) -> None:
    """Submit an experiment, or what was compiled, to Kubeflow Pipelines, wait for its end, and print its links."""
    from prunegap_pipelines.submit import Target, mlflow_link, run_link, submit, wait

    token = token_file.read_text().strip() if token_file else os.environ.get("KFP_TOKEN", "")
    target = Target(host, namespace, token)
    with tempfile.TemporaryDirectory() as scratch:
        package = _package(experiment, shape, Path(scratch), for_cluster=True, cache=not no_cache)
        arguments = package.arguments(cells)
        client = target.connect()
        name = run_name or f"{package.experiment}-{uuid.uuid4().hex[:6]}"
        where = experiment_name or package.experiment
        run_id = submit(client, target, package.path, arguments, experiment=where, name=name)
    click.echo(f"Kubeflow: {run_link(target, run_id)}")
    if not no_wait:
        wait(client, target, run_id, timeout=timeout * 3600, say=lambda line: click.echo(line, err=True))
    click.echo(f"MLflow: {mlflow_link(package.experiment, run_id)}")


def _package(
    path: Path, shape: Mapping[str, Any], scratch: Path, *, for_cluster: bool, cache: bool = True
) -> "Package":
    """Return what is to run: a compiled pipeline as it is, or that of an experiment, compiled into a folder."""
    from prunegap_pipelines.package import Package, is_package

    if not is_package(path):
        wanted = read_experiment(path, shape["overrides"])
        path = scratch / f"{wanted.name}.yaml"
        compile_to(path, wanted, _image(shape, for_cluster=for_cluster), shape["resources"] or "cpu", cache=cache)
        return Package.read(path)
    given = {"--no-cache": not cache, "--set": shape["overrides"], **{f"--{key}": shape[key] for key in FIXED}}
    for option in (option for option, value in given.items() if value):
        raise UserError(f"{path}: is compiled, and {option} is fixed in it; compile its experiment anew with {option}")
    return Package.read(path)


def compile_to(path: Path, experiment: Experiment, image: str, resources: str, *, cache: bool = True) -> None:
    """Compile an experiment's pipeline to a file."""
    from kfp.compiler import Compiler

    from prunegap_pipelines.build import build_pipeline
    from prunegap_pipelines.resources import read_resources

    pipeline = build_pipeline(experiment, image, read_resources(resources), cache=cache)
    if path.suffix not in {".yaml", ".yml"}:
        raise UserError(f"--output {path}: must end in .yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as beside:
        Compiler().compile(pipeline, str(beside))


def _image(shape: Mapping[str, Any], *, for_cluster: bool) -> str:
    """Return the image of the stages: by name, or from the lock.

    A build that was not pushed has no digest: here its id will do, a cluster must have been given it under its tag.
    """
    from prunegap_pipelines.images import ImageLock

    if shape["image"]:
        return shape["image"]
    path: Path | None = shape["images"]
    if path is None and not LOCK.exists():
        return STAGE_IMAGE
    return ImageLock.read(path or LOCK).reference("stage", for_cluster=for_cluster)
