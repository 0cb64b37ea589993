"""Writes what is derived from the stages and committed: ``python -m prunegap_components.generate`` (``make generate``).

With ``--check`` it writes nothing and fails if a committed file is not what would be written.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kfp.compiler import Compiler

from prunegap.artifacts.manifest import clear_disk_errors
from prunegap.atomic import write_atomically
from prunegap.cli.kubeflow_look import LOOKING
from prunegap.pipeline import STAGES
from prunegap_components.component import (
    audit_component,
    close_run_component,
    each_component,
    look_component,
    open_run_component,
    plan_component,
    stage_component,
)
from prunegap_components.compose import compose_file
from prunegap_components.image_names import STAGE_IMAGE

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = "# Description: "
README = """# Components

A Kubeflow component for every stage, generated from the stage's definition by `make generate`; `component.py` says how.
Every parameter has the description, default and bounds of the command line, and every component shows its overall
metrics in the Kubeflow UI.

| component | what it does |
| --- | --- |
{rows}

In a pipeline of your own each is a step like any other; `{image}` is the image that `make images` builds on
this machine, and no registry has it. For a cluster write them with the image that you pushed, by its digest in
`docker/images.lock.json` or by name:

```sh
prunegap-pipelines components my-components
prunegap-pipelines components my-components --image registry.example/team/stage:1.4
```

```python
from kfp import components, dsl

prepare_data = components.load_component_from_file("my-components/prepare_data/component.yaml")
acquire_dense = components.load_component_from_file("my-components/acquire_dense/component.yaml")


@dsl.pipeline
def mine():
    data = prepare_data(source="digits")
    acquire_dense(dataset=data.outputs["dataset"], epochs=5)
```

Kubeflow does not see that data at a `location` have changed: hand `prepare_data` the output `made_from` of a task
`look_at_prepare_data` that is never cached, as our pipelines do, or switch its caching off.

`gate` and `compare` take the lists that a loop collects (`evaluations`, `histories`), or without a loop single
artifacts of each (`evaluations_1`, `histories_1`, ...). `gate` fails unless every model passes; with `enforce=False` it
only tells.

`audit` needs nothing of ours: it takes the table that another step wrote, or a `location`.

Large data need not pass through the object store: mount a volume in `prepare_data` and every step that reads its
`dataset`, and set the variable `PRUNEGAP_PACKED_DIR` of those steps to a folder on it
([why and how](../k8s/README.md#large-data)).

The image runs as user 10001 and has no entry point. On a cluster its outputs are volumes that every user may write;
kfp's own `local.DockerRunner` mounts a folder of yours, for you to write:

```python
local.init(local.DockerRunner(user=f"{{os.getuid()}}:{{os.getgid()}}"))
```

With kfp 2.17 it now and then takes a container that failed for one that did not
([13332](https://github.com/kubeflow/pipelines/issues/13332)): look for the outputs.
"""


def component_files(image: str) -> Iterator[tuple[Path, str]]:
    """Yield the component of every stage, of what is around a run, and of an audit: its path, and its text.

    Args:
        image: what they run, as an engine or a node finds it.
    """
    stages = [stage_component(stage, image) for stage in STAGES]
    with tempfile.TemporaryDirectory() as scratch:
        helpers = [plan_component(image), each_component(image)]
        helpers += [look_component(stage, image) for stage in LOOKING.values()]
        alone = [close_run_component(image), audit_component(image)]
        for component in [open_run_component(image), *helpers, *stages, *alone]:
            compiled = Path(scratch) / "component.yaml"
            Compiler().compile(component, str(compiled))
            yield Path(component.name.replace("-", "_")) / compiled.name, compiled.read_text()


def generated() -> Iterator[tuple[Path, str]]:
    """Yield every derived file: its path below the repository's root, and its text."""
    rows: list[str] = []
    for path, text in component_files(STAGE_IMAGE):
        yield Path("components") / path, text
        summary = next(line for line in text.splitlines() if line.startswith(DESCRIPTION)).removeprefix(DESCRIPTION)
        rows.append(f"| [{path.parent}]({path}) | {summary} |")
    yield Path("components/README.md"), README.format(rows="\n".join(rows), image=STAGE_IMAGE)
    services = Path("docker/compose.digits.yaml")
    yield services, compose_file(Path("experiments/digits.yaml"), services)


def write(path: Path, text: str) -> None:
    """Write a file in one go, and the folders above it."""
    with clear_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as beside:
            beside.write_text(text)


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what is out of date; exit code 1 if anything is")
    check = parser.parse_args().check
    os.chdir(ROOT)
    stale = [(path, text) for path, text in generated() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(f"{path}: {'out of date; run `make generate`' if check else 'written'}")  # noqa: T201
        if not check:
            write(path, text)
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
