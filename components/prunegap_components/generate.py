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

from prunegap import __version__
from prunegap.atomic import write_atomically
from prunegap.pipeline import STAGES
from prunegap_components.component import (
    close_run_component,
    each_component,
    open_run_component,
    plan_component,
    stage_component,
)
from prunegap_components.compose import compose_file

ROOT = Path(__file__).resolve().parents[2]
IMAGE = f"prunegap/stage:{__version__}"
README = """# Components

A Kubeflow component for every stage, generated from the stage's definition by `make generate`; `component.py` says how.
Every parameter has the description, default and bounds of the command line, and every component shows its overall
metrics in the Kubeflow UI.

| component | what it does |
| --- | --- |
{rows}

Use one in a pipeline of your own:

```python
from kfp import components

prune = components.load_component_from_file("components/prune/component.yaml")
```

The image is `{image}`. For another one, best by digest, make the component from the stage:

```python
from prunegap_components.component import stage_component
from prunegap.stages.prune import prune

component = stage_component(prune, "registry.example/prunegap/stage@sha256:...")
```
"""


def generated(scratch: Path) -> Iterator[tuple[Path, str]]:
    """Yield every derived file: its path below the repository's root, and its text.

    Args:
        scratch: an empty folder to compile in.
    """
    rows: list[str] = []
    stages = [stage_component(stage, IMAGE) for stage in STAGES]
    loops = [plan_component(IMAGE), each_component(IMAGE)]
    for component in [open_run_component(IMAGE), *loops, *stages, close_run_component(IMAGE)]:
        name = component.name.replace("-", "_")
        compiled = scratch / f"{name}.yaml"
        Compiler().compile(component, str(compiled))
        yield Path("components") / name / "component.yaml", compiled.read_text()
        rows.append(f"| [{name}]({name}/component.yaml) | {component.component_spec.description} |")
    yield Path("components/README.md"), README.format(rows="\n".join(rows), image=IMAGE)
    services = Path("docker/compose.digits.yaml")
    yield services, compose_file(Path("experiments/digits.yaml"), services)


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what is out of date; exit code 1 if anything is")
    check = parser.parse_args().check
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as scratch:
        stale = [
            (path, text) for path, text in generated(Path(scratch)) if not path.exists() or path.read_text() != text
        ]
    for path, text in stale:
        print(f"{path}: {'out of date; run `make generate`' if check else 'written'}")  # noqa: T201
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(path) as beside:
                beside.write_text(text)
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
