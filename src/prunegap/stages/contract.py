"""What a stage is: one typed function of values, from which command line, local run and components are derived.

``@stage`` reads the function's annotations: a frozen pydantic model of parameters, the kinds of artifact it takes and
gives, and what else it wants handed over (a tracker, a checkpoint). Calling the stage calls the function.
:meth:`Stage.run` carries it out on disk: it checks and loads the inputs, calls, and seals the outputs into place
together with what made them.
"""

import shutil
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from prunegap.artifacts.elsewhere import save_artifact
from prunegap.artifacts.identity import Identity
from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import (
    check,
    clear_disk_errors,
    read_manifest,
    require_replaceable,
    seal,
    staging_beside,
)
from prunegap.errors import UserError
from prunegap.source_code import code_digest
from prunegap.stages.checkpoint_place import checkpoint_path, open_checkpoint
from prunegap.stages.circumstances import library_versions, made_on
from prunegap.stages.lineage import require_one_lineage
from prunegap.stages.params import StageParams
from prunegap.stages.provenance import ALONE, Lineage, provenance
from prunegap.tracking.protocol import Tracker
from prunegap.training.checkpoints import Checkpoint, remove_checkpoint

OUR_CODE = "prunegap's code"

S = ParamSpec("S")
R = TypeVar("R")
Paths = Mapping[str, "Path | tuple[Path, ...]"]
"""Folder of each artifact by the name of its port."""


@dataclass(frozen=True)
class Port:
    """One input or output of a stage: its name, the kind of artifact, one or several."""

    name: str
    artifact: type[Artifact]
    many: bool = False

    @property
    def kind(self) -> str:
        """Name of the kind of artifact."""
        return self.artifact.kind


@dataclass(frozen=True)
class View:
    """A file inside an output that a person looks at: ``comparison/comparison.html``, shown as ``name``."""

    name: str
    port: str
    file: str


@dataclass(frozen=True)
class Stage(Generic[S, R]):
    """A stage as a value: its name, documentation, ports and function."""

    name: str
    summary: str
    params_type: type[StageParams]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    function: Callable[S, R]
    handed: Mapping[str, type]

    def __call__(self, *args: S.args, **kwargs: S.kwargs) -> R:
        """Call the stage's function, with values."""
        return self.function(*args, **kwargs)

    @property
    def reads_outside(self) -> bool:
        """Whether it reads something besides its inputs."""
        return self.params_type.outside is not StageParams.outside

    @property
    def views(self) -> tuple[View, ...]:
        """What of the outputs is worth a look."""
        return tuple(View(name, port.name, file) for port in self.outputs for name, file in port.artifact.views.items())

    def identity(self, params: StageParams, inputs: Paths) -> Identity:
        """Return what the stage's result is made from now.

        Raises:
            UserError: an input is not there, or not what it should be.
        """
        digests = {name: read_manifest(path, kind).digest for name, kind, path in artifacts_of(self.inputs, inputs)}
        return replace(self.surroundings(params), parameters=params.effective(), inputs=digests)

    def surroundings(self, params: StageParams) -> Identity:
        """Return what the stage's result is made from now besides its parameters and inputs: data and code."""
        code = {OUR_CODE: code_digest(self.function.__module__), **library_versions(), **params.code()}
        return Identity(outside=params.outside(), code=code)

    def changes(self, now: Identity, outputs: Paths, *, keep_code: bool = False) -> Sequence[str] | None:
        """Return the names of what has changed since the outputs were made: none where they are up to date.

        Args:
            now: what they would be made from now.
            outputs: as for :meth:`run`.
            keep_code: take what other code made.

        Returns:
            None where an output is not there.
        """
        changed: dict[str, None] = {}
        usual = self.params_type.model_construct().effective()
        for _, kind, path in artifacts_of(self.outputs, outputs):
            if not path.exists():
                return None
            try:
                made = read_manifest(path, kind).identity
            except UserError:
                changed["format of the artifact"] = None
            else:
                changed |= dict.fromkeys(now.changes_since(made, keep_code=keep_code, usual=usual))
        return list(changed)

    def run(
        self, params: StageParams, inputs: Paths, outputs: Mapping[str, Path], tracker: Tracker, made: Lineage = ALONE
    ) -> None:
        """Check and load the inputs, call the function, seal the outputs with who ``made`` them, and tell the tracker.

        Raises:
            UserError: an input is not the artifact it should be, inputs are of different runs, an output would replace
                something else, the disk is full, or what the stage itself refuses.
        """
        manifests = {name: check(path, kind) for name, kind, path in artifacts_of(self.inputs, inputs)}
        require_one_lineage(manifests, dict(inputs))
        targets = [(port.artifact.kind, outputs[port.name]) for port in self.outputs]
        require_replaceable(targets)
        identity = self.identity(params, inputs)
        first, stagings, began = targets[0][1], list[Path](), time.time()
        with clear_disk_errors(first.parent):
            try:
                stagings += [staging_beside(path) for _, path in targets]
                read = {name: path for name, _, path in artifacts_of(self.inputs, inputs)}
                for name, kind, path in artifacts_of(self.inputs, inputs):
                    if kind == "dataset":
                        tracker.log_input(name, path)
                checkpoint = open_checkpoint(identity, first) if Checkpoint in self.handed.values() else None
                values = self._outputs_of(self._call(params, inputs, tracker, checkpoint))
                where = made_on(params, began) | provenance(made, manifests.values())
                for (kind, target), staging, value in zip(targets, stagings, values.values(), strict=True):
                    save_artifact(value, staging)
                    seal(staging, target, kind=kind, identity=identity, made_on=where)
            finally:
                for staging in stagings:
                    shutil.rmtree(staging, ignore_errors=True)
        remove_checkpoint(checkpoint_path(identity, first))
        for name, artifact in values.items():
            tracker.log_output(name, artifact, outputs[name], read)

    def _call(self, params: StageParams, inputs: Paths, tracker: Tracker, checkpoint: Checkpoint | None) -> R:
        values: dict[str, Any] = {}
        for port in self.inputs:
            path, load = inputs[port.name], port.artifact.load
            values[port.name] = tuple(map(load, path)) if isinstance(path, tuple) else load(path)
        handed = {Tracker: tracker, Checkpoint: checkpoint}
        function: Callable[..., R] = self.function
        return function(params=params, **values, **{name: handed[kind] for name, kind in self.handed.items()})

    def _outputs_of(self, value: Any) -> dict[str, Artifact]:  # noqa: ANN401 - a kind, or a dataclass of kinds
        if isinstance(value, Artifact):
            return {self.outputs[0].name: value}
        return {port.name: getattr(value, port.name) for port in self.outputs}


def stage(function: Callable[S, R]) -> Stage[S, R]:
    """Make a stage of a function ``(params, inputs by value, tracker, checkpoint) -> artifact or dataclass of them``.

    Raises:
        TypeError: an annotation that is none of these.
    """
    hints = typing.get_type_hints(function)
    returned, inputs, handed = hints.pop("return"), list[Port](), dict[str, type]()
    params_type = hints.pop("params")
    for name, hint in hints.items():
        if hint in (Tracker, Checkpoint):
            handed[name] = hint
        else:
            inputs.append(_port(name, hint))
    outputs = (
        (Port(returned.kind, returned),)
        if isinstance(returned, type) and issubclass(returned, Artifact)
        else tuple(_port(one.name, typing.get_type_hints(returned)[one.name]) for one in fields(returned))
    )
    summary = (function.__doc__ or "").strip().splitlines()[0]
    return Stage(function.__name__, summary, params_type, tuple(inputs), outputs, function, handed)


def artifacts_of(ports: Sequence[Port], paths: Paths) -> Iterator[tuple[str, str, Path]]:
    """Yield (name, kind, path) of every artifact; a port with several paths numbers its names."""
    for port in ports:
        value = paths[port.name]
        if isinstance(value, tuple):
            for number, path in enumerate(value):
                yield f"{port.name}/{number}", port.kind, path
        else:
            yield port.name, port.kind, value


def _port(name: str, hint: Any) -> Port:  # noqa: ANN401 - an annotation
    many = typing.get_origin(hint) is tuple
    artifact = typing.get_args(hint)[0] if many else hint
    if not (isinstance(artifact, type) and issubclass(artifact, Artifact)):
        raise TypeError(f"{name}: a stage takes and gives kinds of artifact, got {hint}")
    return Port(name, artifact, many)
