"""How large a compiled pipeline is as the Argo Workflow that Kubeflow makes of it: when submitted, and at the end.

    python benchmarks/workflow_size.py experiments/paper_cifar100.yaml

The Workflow is put together as ``backend/src/v2/compiler/argocompiler`` of Kubeflow Pipelines 2.17.0 does: every
distinct container's component, container and Kubernetes settings once among the arguments, a template a graph, and in
it for every task a driver, which holds the task's specification, and an executor. Argo adds a node to the status for
everything that has run, with the values of its inputs; above 1 MiB it keeps them compressed, and a Workflow that is
larger still fails. etcd takes 1.5 MiB at most.
"""

import argparse
import base64
import gzip
import hashlib
import json
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from prunegap_pipelines.command import compile_to
from prunegap_pipelines.package import is_package

from prunegap.cli.experiment_file import read_experiment
from prunegap.cli.kubeflow_plan import EACH, PLAN, checked_cells

IMAGE = "registry.example/team/prunegap/stage@sha256:" + "0" * 64
SYSTEM = 12_000
"""Bytes of the templates that every Workflow has: drivers and executors, with and without retries."""
LAUNCHER = 900
"""Bytes of a pod's patch besides what it says of the task: the launcher's own arguments."""


def main() -> None:
    """Print the sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pipeline", type=Path, help="An experiment, or a compiled pipeline.")
    parser.add_argument("--resources", default="gpu")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = given.pipeline
        if not is_package(path):
            path = Path(scratch) / "pipeline.yaml"
            compile_to(path, read_experiment(given.pipeline), IMAGE, given.resources)
        spec, platform = yaml.load_all(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        workflow = Workflow(spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"])
        nodes = list(workflow.nodes())
        packed = len(base64.b64encode(gzip.compress(compact(nodes).encode())))
        submitted = SYSTEM + len(compact([workflow.arguments, workflow.templates]))
        pods = sum(node["type"] == "Pod" for node in nodes)
        for name, size in (
            ("compiled file", path.stat().st_size),
            ("specification as JSON", len(compact(spec))),
            ("Workflow when submitted", submitted),
            (f"status of {len(nodes)} nodes ({pods} pods)", len(compact(nodes))),
            ("status compressed", packed),
            ("Workflow at the end, with the status compressed", submitted + packed),
        ):
            print(f"{name:50} {size / 1024:9.1f} KiB")


def compact(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value as Kubernetes keeps it."""
    return json.dumps(value, separators=(",", ":"))


@dataclass
class Workflow:
    """A compiled pipeline as a Workflow.

    Attributes:
        spec: the pipeline specification.
        kubernetes: Kubernetes settings by executor.
        arguments: of the Workflow, by name.
        templates: of its graphs.
    """

    spec: Mapping[str, Any]
    kubernetes: Mapping[str, Any]
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    templates: list[Any] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        for name, component in self.spec["components"].items():
            label = component.get("executorLabel")
            if label:
                container = self._container(label)
                self.arguments.setdefault(f"components-{digest(container)}", compact(component))
                self.arguments.setdefault(f"implementations-{digest(container)}", compact(container))
                self.arguments[f"kubernetes-{name}"] = compact(self.kubernetes.get(label, {}))
        for name, component in [*self.spec["components"].items(), ("root", self.spec["root"])]:
            if "dag" in component:
                self.arguments[f"components-{name}"] = compact(component)
                tasks = component["dag"]["tasks"].items()
                own = [step for key, task in tasks for step in self._steps(key, task)]
                self.templates.append({"name": name, "dag": {"tasks": own}, "inputs": ["parent-dag-id"]})
        runtime = {key: one.get("defaultValue") for key, one in self.inputs.items()}
        self.templates.append({"name": "entrypoint", "runtime-config": compact({"parameterValues": runtime})})

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The pipeline's inputs."""
        return self.spec["root"]["inputDefinitions"]["parameters"]

    def _container(self, label: str) -> Mapping[str, Any]:
        return self.spec["deploymentSpec"]["executors"][label]["container"]

    def _steps(self, name: str, task: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the Workflow's tasks for a task: a loop's specification is there twice, in two templates of its own."""
        component = task["componentRef"]["name"]
        told = {"task": compact(task), "task-name": name, "parent-dag-id": "{{inputs.parameters.parent-dag-id}}"}
        depends = " && ".join(f"{one}.Succeeded" for one in task.get("dependentTasks", []))
        label = self.spec["components"][component].get("executorLabel")
        named = digest(self._container(label)) if label else component
        placeholders = {"component": placeholder(f"components-{named}")}
        if label:
            placeholders["container"] = placeholder(f"implementations-{named}")
            placeholders["kubernetes-config"] = placeholder(f"kubernetes-{component}")
        for template in range(2 if "parameterIterator" in task else 1):
            yield step(f"{name}-driver", {**placeholders, **told}, depends)
            outputs = {key: f"{{{{tasks.{name}-driver.outputs.parameters.{key}}}}}" for key in EXECUTOR[bool(label)]}
            yield step(name, outputs | {f"more-{template}": compact(task.get("retryPolicy", {}))}, f"{name}-driver")

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Yield a node of the status for everything that has run at the end."""
        yield from self._nodes("root", "")

    def _nodes(self, component: str, item: str) -> Iterator[dict[str, Any]]:
        for name, task in self.spec["components"].get(component, self.spec["root"])["dag"]["tasks"].items():
            inner = task["componentRef"]["name"]
            label = self.spec["components"][inner].get("executorLabel")
            told = {"component": compact(self.spec["components"][inner]), "task": compact(task), "task-name": name}
            if label:
                told |= {"container": compact(self._container(label)), "kubernetes": compact(self.kubernetes[label])}
                patch = {"pod-spec-patch": f"{''.join(told.values())}{item}{'-' * LAUNCHER}"}
                yield node("Pod", f"{item}{name}-driver", told, patch)
                yield node("DAG", f"{item}{name}", patch, {})
                yield node("Retry", f"{item}{name}.executor", patch, {})
                yield node("Pod", f"{item}{name}.executor(0)", patch, {})
                continue
            yield node("Pod", f"{item}{name}-driver", told, {})
            yield node("DAG", f"{item}{name}", {}, {})
            for count in range(self._iterations(task)):
                if "parameterIterator" in task:
                    yield node("Pod", f"{item}{name}({count}).driver", told, {})
                    yield node("DAG", f"{item}{name}({count})", {}, {})
                yield from self._nodes(inner, f"{item}{name}({count}).")

    def _iterations(self, task: Mapping[str, Any]) -> int:
        """Return how often a graph runs: cells that share nothing further are taken as even."""
        if "parameterIterator" not in task:
            return 1
        listed = task["parameterIterator"]["items"]["inputParameter"].removeprefix("pipelinechannel--")
        if listed in self.inputs:
            return len(self.inputs[listed]["defaultValue"])
        cells = checked_cells({"cells": self.inputs["cells"]["defaultValue"]})
        parts = len(cells.parts())
        return {PLAN: parts, EACH: len(cells.cells) // parts}[listed.removesuffix("-Output")]


EXECUTOR = {True: ("pod-spec-patch", "cached-decision"), False: ("execution-id", "condition", "iteration-count")}


def digest(container: Mapping[str, Any]) -> str:
    """Return what a component's arguments are named by: its container."""
    return hashlib.sha256(compact(container).encode()).hexdigest()


def placeholder(argument: str) -> str:
    """Return what stands in a template for an argument of the Workflow."""
    return f"{{{{workflow.parameters.{argument}}}}}"


def step(name: str, parameters: Mapping[str, str], depends: str) -> dict[str, Any]:
    """Return a task of a template."""
    told = [{"name": key, "value": value} for key, value in parameters.items()]
    return {"name": name, "template": "system-container-driver", "arguments": {"parameters": told}, "depends": depends}


def node(kind: str, name: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, Any]:
    """Return a node of the status."""
    told = [{"name": key, "value": value} for key, value in inputs.items()]
    made = [{"name": key, "value": value} for key, value in outputs.items()]
    stamp = "2026-01-01T00:00:00Z"
    return {
        "id": f"pipeline-x7k2p-{zlib.crc32(name.encode())}",
        "boundaryID": f"pipeline-x7k2p-{zlib.crc32(name[::2].encode())}",
        "children": [f"pipeline-x7k2p-{zlib.crc32(name[1:].encode())}"],
        "name": f"pipeline-x7k2p.root.{name}",
        "displayName": name.rpartition(".")[2],
        "type": kind,
        "phase": "Succeeded",
        "startedAt": stamp,
        "finishedAt": stamp,
        "inputs": {"parameters": told},
        "outputs": {"parameters": made},
        "resourcesDuration": {"cpu": 1, "memory": 1},
    }


if __name__ == "__main__":
    main()
