"""A run as compose services: a one-shot container a step, in order by what it reads.

    python -m prunegap_components.compose experiments/digits.yaml --output docker/compose.digits.yaml

The artifacts lie in the volume as in the workspace of a local run, in a folder named by the pipeline run, so that
another ``PRUNEGAP_PIPELINE_RUN`` is another run; a step that is done is up to date when it is started again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.cli.experiment_file import read_experiment
from prunegap.cli.explain import flag
from prunegap.errors import UserError
from prunegap.local import artifact
from prunegap.pipeline import Experiment, prune_and_compare
from prunegap.pipeline.wiring import Handles
from prunegap.stages.contract import Stage, artifacts_of
from prunegap.stages.params import StageParams
from prunegap.tracking.environment import EXPERIMENT_VARIABLE, PIPELINE_RUN_VARIABLE, WORKSPACE_VARIABLE

T = TypeVar("T")
U = TypeVar("U")

LANES = 2
OPENING, CLOSING = "open-run", "close-run"


@dataclass(frozen=True)
class Step:
    """One step of a run: the command line of its container, the steps it waits for, and how far down it stands."""

    command: Sequence[str]
    needs: Sequence[str]
    depth: int


class ComposeRunner:
    """Notes every step as the command line that carries it out.

    Args:
        workspace: folder of the run, relative to the working folder of the container.

    Attributes:
        steps: what was noted, by the name of the step, each after those that it needs.
    """

    def __init__(self, workspace: Path) -> None:
        self.steps: dict[str, Step] = {}
        self._workspace = workspace
        self._makers: dict[Path, str] = {}

    def run(
        self, step: str, stage: Stage[..., Any], params: StageParams, inputs: Handles, tags: Mapping[str, str]
    ) -> Handles:
        """Note a step and return where its outputs will lie.

        Raises:
            UserError: a parameter that no command line can say.
        """
        outputs = {port.name: artifact(self._workspace, step, port.name) for port in stage.outputs}
        needs = list(dict.fromkeys(self._makers[path] for _, _, path in artifacts_of(stage.inputs, inputs)))
        command = [
            stage.name,
            f"--step={step}",
            *(f"--tag={key}={value}" for key, value in tags.items()),
            "--unless-done",
            *(_path_flag(name, path) for name, _, path in artifacts_of(stage.inputs, inputs)),
            *(_path_flag(name, path) for name, _, path in artifacts_of(stage.outputs, outputs)),
            *parameter_flags(params),
        ]
        self.steps[step] = Step(command, needs, max((self.steps[need].depth + 1 for need in needs), default=0))
        self._makers |= {path: step for _, _, path in artifacts_of(stage.outputs, outputs)}
        return outputs

    def fan_out(self, items: Sequence[T], body: Callable[[T], U]) -> Sequence[U]:
        """Note ``body`` for one item after the other."""
        return [body(item) for item in items]


def parameter_flags(params: StageParams) -> Iterator[str]:
    """Yield the flags of all parameters that differ from their defaults, as the stage's command takes them.

    Raises:
        UserError: a list with an entry that a flag would take apart.
    """
    for name, info in type(params).model_fields.items():
        value, option = getattr(params, name), flag([name])
        if value == info.default:
            continue
        if isinstance(value, bool):
            yield option if value else f"--no-{option[2:]}"
        elif isinstance(value, tuple):
            entries = [str(entry) for entry in value]  # pyright: ignore[reportUnknownArgumentType]
            _require_whole(name, entries)
            yield _literally(f"{option}={','.join(entries)}")
        else:
            yield _literally(f"{option}={value}")


def compose_services(experiment: Experiment, lanes: int = LANES) -> dict[str, dict[str, Any]]:
    """Return the services of a run by name: one a step, and one each that opens and closes the run in MLflow.

    Args:
        experiment: the run.
        lanes: most steps that run at a time, >= 1: each one also waits for the one ``lanes`` before it. Steps
            stand in the order of their depth, so that those of one kind run side by side.

    Raises:
        UserError: fewer than one lane, or a parameter that no command line can say.
    """
    if lanes < 1:
        raise UserError(f"lanes: must be >= 1, got {lanes}")
    run = f"${{{PIPELINE_RUN_VARIABLE}:-{experiment.name}}}"
    runner = ComposeRunner(Path("runs") / run)
    prune_and_compare(experiment, runner)
    steps = sorted(runner.steps.items(), key=lambda named: named[1].depth)
    environment = {EXPERIMENT_VARIABLE: experiment.name, PIPELINE_RUN_VARIABLE: run}
    names = [name for name, _ in steps]
    services = {OPENING: _service([OPENING], [])} | {
        name: _service(
            step.command, [*(step.needs or [OPENING]), *names[max(place - lanes, 0) : max(place - lanes + 1, 0)]]
        )
        for place, (name, step) in enumerate(steps)
    }
    services[CLOSING] = _service([CLOSING, "FINISHED"], names[-1:])
    for service in services.values():
        service["environment"] = dict(environment)
    for name in (OPENING, CLOSING):  # these look at the run as a whole
        services[name]["environment"][WORKSPACE_VARIABLE] = f"runs/{run}"
    return services


def compose_file(experiment: Path, output: Path, lanes: int = LANES) -> str:
    """Return the text of a compose file; it extends ``stage.yaml`` beside it and goes after ``compose.yaml``.

    Raises:
        UserError: the experiment is refused.
    """
    command = f"python -m prunegap_components.compose {experiment.as_posix()} --output {output.as_posix()}"
    command += "" if lanes == LANES else f" --lanes {lanes}"
    services = {"services": compose_services(read_experiment(experiment), lanes)}
    return f"# Generated, not to be edited: {command}\n" + yaml.safe_dump(
        services, sort_keys=False, width=118, default_flow_style=None
    )


def _service(command: Sequence[str], needs: Sequence[str]) -> dict[str, Any]:
    """Return a service; only one that needs no other waits for MLflow: one that falls silent later ends no run."""
    done = {need: {"condition": "service_completed_successfully"} for need in needs}
    return {
        "extends": {"file": "stage.yaml", "service": "stage"},
        "command": list(command),
        "depends_on": done or {"mlflow": {"condition": "service_healthy"}},
    }


def _path_flag(name: str, path: Path) -> str:
    return f"{flag([name.partition('/')[0]])}={path.as_posix()}"


def _require_whole(name: str, entries: Sequence[str]) -> None:
    broken = next((entry for entry in entries if not entry or "," in entry or entry != entry.strip()), None)
    if broken is not None:
        raise UserError(
            f"{name}: entry {broken!r} cannot be a flag of a container: it must not be empty, hold a comma, or begin "
            "or end with a space; rename it in the data"
        )


def _literally(argument: str) -> str:
    """Keep compose from taking a ``$`` for a variable."""
    return argument.replace("$", "$$")


@click.command()
@click.argument("experiment", type=click.Path(path_type=Path), metavar="EXPERIMENT.yaml")
@click.option("--output", type=click.Path(path_type=Path), help="File to write, beside docker/stage.yaml.")
@click.option("--lanes", type=click.IntRange(min=1), default=LANES, show_default=True, help="Most steps at a time.")
def main(experiment: Path, output: Path | None, lanes: int) -> None:
    """Write an experiment as a compose file, or print it."""
    try:
        text = compose_file(experiment, output or Path(f"docker/compose.{experiment.stem}.yaml"), lanes)
        if output is None:
            click.echo(text, nl=False)
        else:
            with clear_disk_errors(output.parent):
                output.write_text(text)
    except UserError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
