"""A stage as a Kubeflow task: everything it needs comes in one argument, Kubeflow's executor input.

The executor input (``{{$}}``) holds the parameters, where each input artifact lies and where each output belongs.
Back goes an executor output: the artifacts' metadata, and as metadata of ``metrics`` the numbers the UI shows.
"""

import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from prunegap import __version__
from prunegap.artifacts.manifest import clear_disk_errors, read_manifest, write_json
from prunegap.cli.kubeflow_classification import shown_classification
from prunegap.cli.stage_command import carry_out, validated
from prunegap.errors import UserError
from prunegap.pipeline import STAGES
from prunegap.stages.contract import Port, Stage, artifacts_of
from prunegap.stages.provenance import lineage_of
from prunegap.tracking.cached_steps import record_cached

TASK = "kubeflow-task"
METRICS = "metrics"
STEP, TAGS, MADE_FROM = "step", "tags", "made_from"
MOST_METRICS = 64
SPLITS, LIMITS = ("train", "validation", "test"), "limits"
SINGLES = 8
PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}


@click.command(TASK)
@click.argument("stage", type=click.Choice([one.name for one in STAGES]), metavar="STAGE")
@click.argument("executor_input", metavar="EXECUTOR_INPUT")
def kubeflow_task(stage: str, executor_input: str) -> None:
    """Carry out a stage as Kubeflow's executor input says (the {{$}} of a container component)."""
    run_task(next(one for one in STAGES if one.name == stage), TaskInput.parse(executor_input))


@dataclass(frozen=True)
class TaskInput:
    """What Kubeflow tells a task.

    Attributes:
        parameters: value by name.
        inputs: paths by name of the input; one, or several where a loop was collected.
        outputs: path by name of the output.
        uris: address by name of the output.
        output_file: where the executor output belongs.
    """

    parameters: Mapping[str, Any]
    inputs: Mapping[str, Sequence[Path]]
    outputs: Mapping[str, Path]
    uris: Mapping[str, str]
    output_file: Path

    @property
    def step(self) -> str:
        """Name of the step; empty if it was given none."""
        return str(self.parameters.get(STEP) or "")

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the step."""
        given = {str(key): str(value) for key, value in (self.parameters.get(TAGS) or {}).items()}
        return given | ({"seed": given["seed"].removesuffix(".0")} if "seed" in given else {})

    @classmethod
    def parse(cls, text: str) -> "TaskInput":
        """Read the executor input.

        Raises:
            UserError: not the JSON that Kubeflow sends.
        """
        try:
            told = json.loads(text)
            given, wanted = told.get("inputs", {}), told["outputs"]
            uris = {name: entry["artifacts"][0]["uri"] for name, entry in wanted.get("artifacts", {}).items()}
            values = {key: _whole(value) for key, value in given.get("parameterValues", {}).items()}
            return cls(
                parameters={key: _filled(value, values) for key, value in values.items()},
                inputs={
                    name: [local_path(artifact["uri"]) for artifact in entry.get("artifacts", [])]
                    for name, entry in given.get("artifacts", {}).items()
                },
                outputs={name: local_path(uri) for name, uri in uris.items()},
                uris=uris,
                output_file=Path(wanted["outputFile"]),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"EXECUTOR_INPUT: not what Kubeflow passes as {{{{$}}}} ({type(error).__name__}: {error}); "
                "on the command line use `prunegap <stage>` with flags instead"
            ) from None


def local_path(uri: str) -> Path:
    """Return where Kubeflow's launcher puts the artifact of an address; a path is itself."""
    for scheme, mount in MOUNTS.items():
        if uri.startswith(scheme):
            return Path(mount + uri.removeprefix(scheme))
    if "://" in uri:
        raise UserError(f"{uri}: an artifact store of this kind is not known; use one of {', '.join(MOUNTS)}")
    return Path(uri)


def run_task(stage: Stage[..., Any], task: TaskInput) -> None:
    """Carry out a stage and write the executor output."""
    given = {key: value for key, value in task.parameters.items() if key in stage.params_type.model_fields}
    params = validated(stage, given, lambda path: str(path[0]) if path else "")
    inputs = {port.name: _input(port, task.inputs) for port in stage.inputs}
    outputs = {port.name: _output(port.name, task.outputs) for port in stage.outputs}
    for place in (*outputs.values(), task.output_file):
        require_writable(place)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        click.echo("MLFLOW_TRACKING_URI is not set: the step is not tracked in MLflow", err=True)
    read = [read_manifest(path, kind) for _, kind, path in artifacts_of(stage.inputs, inputs)]
    record_cached(lineage_of(read))
    metrics = carry_out(stage, params, inputs, outputs, step=task.step or stage.name, tags=task.tags)
    metadata: dict[str, dict[str, Any]] = {METRICS: dict(shown_metrics(metrics))}
    for port in stage.outputs:
        manifest = read_manifest(task.outputs[port.name], port.kind)
        metadata[port.name] = {"kind": port.kind, "digest": manifest.digest, "prunegap_version": __version__}
    with clear_disk_errors(task.output_file.parent):
        for view in stage.views:
            if view.name in task.outputs:
                task.outputs[view.name].parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(task.outputs[view.port] / view.file, task.outputs[view.name])
                if view.file.endswith(".json"):
                    metadata[view.name] = shown_classification(task.outputs[view.name], task.step or stage.name)
        if METRICS in task.outputs:
            # Kubeflow reads the metadata; the file is for what looks for one, as kfp's local cache does.
            write_json(task.outputs[METRICS], metadata[METRICS])
        task.output_file.parent.mkdir(parents=True, exist_ok=True)
        write_json(task.output_file, described(task.uris, metadata))
    params.admit(outputs)


def shown_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return at most 64 finite metrics, whole families of them: what is told of a part of the data goes last.

    First those of groups and layers are left out, the largest family first, then limits.
    """
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    sizes = Counter(map(_family, finite))
    for family in sorted(sizes, key=lambda one: (one in SPLITS, one == LIMITS, -sizes[one])):
        if len(finite) <= MOST_METRICS:
            break
        finite = {name: value for name, value in finite.items() if _family(name) != family}
    return finite


def _family(metric: str) -> str:
    family = metric.partition("/")[0]
    return LIMITS if family in SPLITS and metric.endswith(("_low", "_high")) else family


def described(uris: Mapping[str, str], metadata: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an executor output with every artifact and what is told of it."""
    artifacts = {
        name: {"artifacts": [{"name": name, "uri": uri, "metadata": metadata.get(name, {})}]}
        for name, uri in uris.items()
    }
    return {"artifacts": artifacts}


def _input(port: Port, given: Mapping[str, Sequence[Path]]) -> Path | tuple[Path, ...]:
    paths = given.get(port.name, ())
    if port.many:
        return (*paths, *(path for name in single_names(port) for path in given.get(name, ())))
    if len(paths) != 1:
        raise UserError(f"{port.name}: one {port.kind} artifact is needed, the task was given {len(paths)}")
    return paths[0]


def single_names(port: Port) -> list[str]:
    """Return the inputs that take single artifacts of a port of many: Kubeflow makes no list of them."""
    return [f"{port.name}_{number}" for number in range(1, SINGLES + 1)]


def _output(name: str, outputs: Mapping[str, Path]) -> Path:
    if name not in outputs:
        raise UserError(f"{name}: the task was given no place for this output; generate its component anew")
    return outputs[name]


def require_writable(place: Path) -> None:
    """Refuse a folder of somebody else's before any work: kfp's DockerRunner mounts one of whoever started it."""
    nearest = next(str(folder) for folder in place.parents if os.path.exists(folder))  # noqa: PTH110 - Path's may raise
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(
            f"{nearest}: user {os.getuid()} of this container cannot write there; let it, or run the container as the "
            "folder's owner (kfp: local.DockerRunner(user='UID:GID'))"
        )


def _filled(value: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Fill in the values of other parameters where Kubeflow left its placeholders inside a text."""
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, str):
        return value
    return PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), value)


def _whole(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return whole numbers as integers: Kubeflow's numbers all arrive as floats."""
    if isinstance(value, list):
        return [_whole(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return int(value) if isinstance(value, float) and value.is_integer() else value
