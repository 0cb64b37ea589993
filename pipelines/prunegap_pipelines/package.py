"""A compiled pipeline as a file: what it was compiled for, and the list of cells that it is to run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml

from prunegap.cli.experiment_file import OnceEach, one_line
from prunegap.cli.kubeflow_plan import PLAN, checked_cells
from prunegap.errors import UserError
from prunegap.tracking.environment import EXPERIMENT_VARIABLE

CELLS = "cells"
CHANNEL = "pipelinechannel--"


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        path: the file.
        spec: its pipeline specification, as plain values.
    """

    path: Path
    spec: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a compiled pipeline.

        Raises:
            UserError: it is none that prunegap compiled.
        """
        package = cls(path, next(yaml.load_all(path.read_text(encoding="utf-8"), _LOADER)))
        if package._plan is None:
            raise UserError(f"{path}: a pipeline that prunegap did not compile, or an earlier version of it did")
        return package

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment that it was compiled for."""
        return next(one["value"] for one in self._container["env"] if one["name"] == EXPERIMENT_VARIABLE)

    @property
    def image(self) -> str:
        """Image of its tasks."""
        return self._container["image"]

    def arguments(self, cells: str | None) -> dict[str, Any]:
        """Return the pipeline's arguments for a list of cells, none for its own.

        Args:
            cells: a file, or the list itself as JSON; None: the list that was compiled.

        Raises:
            UserError: not a list of cells, or one that breaks a rule; a line each.
        """
        if cells is None:
            return {}
        where, listed = _read_cells(cells)
        try:
            checked_cells({**self._checked_with, CELLS: listed})
        except UserError as error:
            raise UserError("\n".join(f"{where}: {line}" for line in str(error).splitlines())) from None
        return {CELLS: listed}

    @property
    def _containers(self) -> list[Mapping[str, Any]]:
        return [one["container"] for one in self.spec["deploymentSpec"]["executors"].values()]

    @property
    def _container(self) -> Mapping[str, Any]:
        executors = self.spec["deploymentSpec"]["executors"]
        return executors[f"exec-{PLAN}"]["container"]

    @cached_property
    def _plan(self) -> Mapping[str, Any] | None:
        graphs = [one["dag"]["tasks"] for one in self.spec.get("components", {}).values() if "dag" in one]
        return next((tasks[PLAN] for tasks in graphs if PLAN in tasks), None)

    @property
    def _checked_with(self) -> dict[str, Any]:
        """What the plan of the run will be told beside the cells: constants, and defaults of the pipeline's inputs."""
        assert self._plan is not None
        inputs = self.spec["root"]["inputDefinitions"]["parameters"]
        told: dict[str, Any] = {}
        for name, source in self._plan["inputs"]["parameters"].items():
            if "runtimeValue" in source:
                told[name] = source["runtimeValue"]["constant"]
            else:
                told[name] = inputs[source["componentInputParameter"].removeprefix(CHANNEL)]["defaultValue"]
        return told


def is_package(path: Path) -> bool:
    """Whether a file is a compiled pipeline, of whoever's."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return text.startswith("pipelineInfo:") or "\npipelineInfo:" in text


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _read_cells(given: str) -> tuple[str, list[Any]]:
    """Read a list of cells; return what to call it in a message, and the list."""
    written = given.lstrip().startswith(("[", "{"))
    where = "--cells" if written else f"--cells {given}"
    try:
        listed = yaml.load(given if written else Path(given).read_text(encoding="utf-8"), OnceEach)  # noqa: S506
    except OSError as error:
        raise UserError(
            f"{where}: cannot be read ({error.strerror}); give a file, or the list itself as JSON"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{where}: not a text file") from None
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {one_line(error)}") from None
    if not isinstance(listed, list):
        raise UserError(f"{where}: must be a list of cells, each with seed, sparsity, tolerance and method")
    return where, listed  # pyright: ignore[reportUnknownVariableType]
