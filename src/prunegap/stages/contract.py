"""What a stage is: one typed function from which command line, local run and components are derived.

``@stage`` reads the function's annotations: a frozen pydantic model of parameters, a frozen dataclass of
input paths, a frozen dataclass of output paths. A path's type names the kind of artifact it holds.
Calling the stage checks every input artifact, runs the function on staging folders beside the outputs, and
seals the finished outputs into place together with what made them.
"""

import hashlib
import json
import os
import shutil
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, NewType, TypeVar

from pydantic import ConfigDict

from prunegap import __version__
from prunegap.artifacts.manifest import check, clear_disk_errors, read_manifest, require_replaceable, seal
from prunegap.errors import UserError
from prunegap.stages.numbers import StrictNumbers
from prunegap.tracking.environment import pipeline_run_id
from prunegap.tracking.protocol import Tracker
from prunegap.training.checkpoints import Checkpoint

DatasetPath = NewType("DatasetPath", Path)
DenseModelPath = NewType("DenseModelPath", Path)
BaselinePath = NewType("BaselinePath", Path)
SparseModelPath = NewType("SparseModelPath", Path)
FinetunedModelPath = NewType("FinetunedModelPath", Path)
HistoryPath = NewType("HistoryPath", Path)
EvaluationPath = NewType("EvaluationPath", Path)
ComparisonPath = NewType("ComparisonPath", Path)

KINDS: dict[Any, str] = {
    DatasetPath: "dataset",
    DenseModelPath: "dense_model",
    BaselinePath: "baseline",
    SparseModelPath: "sparse_model",
    FinetunedModelPath: "finetuned_model",
    HistoryPath: "history",
    EvaluationPath: "evaluation",
    ComparisonPath: "comparison",
}

PARTIAL = ".partial"
CHECKPOINT_DIR = "PRUNEGAP_CHECKPOINT_DIR"

P = TypeVar("P", bound="StageParams")
I = TypeVar("I")  # noqa: E741 - I(nputs), beside O(utputs)
O = TypeVar("O")  # noqa: E741


class StageParams(StrictNumbers):
    """Parameters of a stage. A field's bounds, default and description are its flag, form text and documentation.

    A field marked with :data:`NO_EFFECT` changes how a result is computed (where, how often saved), not which;
    it does not count when an artifact is compared with what is asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)

    def effective(self) -> dict[str, Any]:
        """Return the parameters that decide the result, as plain JSON values."""
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if type(self).model_fields[name].json_schema_extra != NO_EFFECT
        }


NO_EFFECT: dict[str, Any] = {"affects_result": False}


@dataclass(frozen=True)
class Port:
    """One input or output of a stage: its field name, the kind of artifact, one path or several."""

    name: str
    kind: str
    many: bool = False


@dataclass(frozen=True)
class View:
    """A file inside an output that a person looks at: ``comparison/comparison.html``, shown as ``name``."""

    name: str
    port: str
    file: str


@dataclass(frozen=True)
class Stage(Generic[P, I, O]):
    """A stage as a value: its name, documentation, types and function, and what of its outputs is worth a look."""

    name: str
    summary: str
    params_type: type[P]
    inputs_type: type[I]
    outputs_type: type[O]
    function: Callable[[P, I, O, Tracker], None]
    views: tuple[View, ...] = ()

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Input ports in the order of their fields."""
        return _ports(self.inputs_type)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Output ports in the order of their fields."""
        return _ports(self.outputs_type)

    def __call__(self, params: P, inputs: I, outputs: O, tracker: Tracker) -> None:
        """Check the inputs, run, and seal the outputs.

        Raises:
            UserError: an input is not the artifact it should be, an output would replace something else, the disk
                is full, or what the stage itself refuses.
        """
        digests = {name: check(path, kind).digest for name, kind, path in artifacts_of(self.inputs, inputs)}
        targets = [(kind, path) for _, kind, path in artifacts_of(self.outputs, outputs)]
        require_replaceable(targets)
        first = targets[0][1]
        with clear_disk_errors(first.parent):
            staged = self.outputs_type(
                **{name: _empty_beside(path) for name, _, path in artifacts_of(self.outputs, outputs)}
            )
            stagings = [path for _, _, path in artifacts_of(self.outputs, staged)]
            try:
                self.function(params, inputs, staged, tracker)
                for (kind, target), staging in zip(targets, stagings, strict=True):
                    seal(
                        staging,
                        target,
                        kind=kind,
                        parameters=params.effective(),
                        inputs=digests,
                        code_version=__version__,
                    )
            finally:
                for staging in stagings:
                    shutil.rmtree(staging, ignore_errors=True)
        checkpoint_of(params, inputs, first).unlink(missing_ok=True)

    def is_done(self, params: P, inputs: I, outputs: O) -> bool:
        """Whether every output is there and was made from these parameters, these inputs and this code."""
        digests = {name: read_manifest(path, kind).digest for name, kind, path in artifacts_of(self.inputs, inputs)}
        for _, kind, path in artifacts_of(self.outputs, outputs):
            try:
                manifest = read_manifest(path, kind)
            except UserError:
                return False
            made_from = (manifest.parameters, manifest.inputs, manifest.code_version)
            if made_from != (params.effective(), digests, __version__):
                return False
        return True


def stage(*, shows: Mapping[str, str] | None = None) -> Callable[[Callable[[P, I, O, Tracker], None]], Stage[P, I, O]]:
    """Make a stage of a function ``(params, inputs, outputs, tracker) -> None``.

    Args:
        shows: what a person looks at, by name: ``<output>/<file>``, a Markdown or HTML file.
    """
    views = tuple(View(name, *place.split("/", 1)) for name, place in (shows or {}).items())

    def of(function: Callable[[P, I, O, Tracker], None]) -> Stage[P, I, O]:
        hints = typing.get_type_hints(function)
        return Stage(
            name=function.__name__,
            summary=(function.__doc__ or "").strip().splitlines()[0],
            params_type=hints["params"],
            inputs_type=hints["inputs"],
            outputs_type=hints["outputs"],
            function=function,
            views=views,
        )

    return of


def artifacts_of(ports: tuple[Port, ...], paths: object) -> Iterator[tuple[str, str, Path]]:
    """Yield (name, kind, path) of every artifact; a port with several paths numbers its names."""
    for port in ports:
        value = getattr(paths, port.name)
        if port.many:
            for number, path in enumerate(value):
                yield f"{port.name}/{number}", port.kind, path
        else:
            yield port.name, port.kind, value


def checkpoint_of(params: StageParams, inputs: object, first_output: Path) -> Path:
    """Return where a stage keeps its checkpoint, removed once its outputs are sealed.

    Beside its first output; or, where ``PRUNEGAP_CHECKPOINT_DIR`` names a folder that outlives the container,
    there, under the pipeline run and the stage's fingerprint.
    """
    folder = os.environ.get(CHECKPOINT_DIR)
    if folder:
        return Path(folder) / (pipeline_run_id() or "") / f"{fingerprint(params, inputs)}.checkpoint"
    return first_output.with_name(first_output.name.removesuffix(PARTIAL) + ".checkpoint")


def open_checkpoint(params: StageParams, inputs: object, first_output: Path) -> Checkpoint:
    """Return the checkpoint of a stage that trains; its folder is there.

    Raises:
        UserError: the folder of checkpoints cannot be written.
    """
    path = checkpoint_of(params, inputs, first_output)
    with clear_disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return Checkpoint(path, fingerprint(params, inputs))


def fingerprint(params: StageParams, inputs: object) -> str:
    """Return a digest of everything that decides a stage's result: a checkpoint of another one is no use."""
    digests = {
        name: read_manifest(path, kind).digest for name, kind, path in artifacts_of(_ports(type(inputs)), inputs)
    }
    text = json.dumps([params.effective(), digests, __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _ports(dataclass_type: type[Any]) -> tuple[Port, ...]:
    hints = typing.get_type_hints(dataclass_type)
    ports = []
    for field in fields(dataclass_type):
        hint = hints[field.name]
        many = typing.get_origin(hint) is tuple
        ports.append(Port(field.name, KINDS[typing.get_args(hint)[0] if many else hint], many))
    return tuple(ports)


def _empty_beside(target: Path) -> Path:
    staging = target.with_name(target.name + PARTIAL)
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    return staging
