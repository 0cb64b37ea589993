"""Reading a compiled pipeline: its graphs, tasks and what each refers to."""

import sys
from pathlib import Path

import yaml
from prunegap_pipelines.command import compile_to

from prunegap.cli.experiment_file import read_experiment

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
DIGEST = "registry.example/prunegap/stage@sha256:" + "0" * 64


def compiled(experiment, folder, resources="cpu", image=DIGEST, overrides=()):
    """Compile an experiment file; return the pipeline spec and the platform spec as plain values."""
    path = folder / "pipeline.yaml"
    compile_to(path, read_experiment(ROOT / "experiments" / experiment, overrides), image, resources)
    spec, platform = yaml.safe_load_all(path.read_text())
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def graphs(spec):
    """Yield every graph: its name, its declared inputs, its tasks."""
    yield "root", spec["root"]["inputDefinitions"], spec["root"]["dag"]["tasks"]
    for name, component in spec["components"].items():
        if "dag" in component:
            yield name, component.get("inputDefinitions", {}), component["dag"]["tasks"]


def tasks(spec):
    """Yield every task that is a container: its name and its specification."""
    for _, _, inner in graphs(spec):
        for name, task in inner.items():
            if "executorLabel" in spec["components"][task["componentRef"]["name"]]:
                yield name, task


def executors(spec):
    """Return the container of every executor, by label."""
    return {label: one["container"] for label, one in spec["deploymentSpec"]["executors"].items()}
