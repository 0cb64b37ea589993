"""One more output of a stage is one more field of what it returns, its kind one class: every platform has it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from click.testing import CliRunner
from core.small_stages import Length, MakeParams, Numbers, digest, made
from prunegap_components.component import stage_component

from prunegap.artifacts.kind import Artifact
from prunegap.cli.stage_command import stage_command
from prunegap.stages.contract import stage


@dataclass(frozen=True)
class Squares(Artifact, kind="squares", kubeflow="Dataset", views={"list": "squares.md"}):
    values: list[int]

    def save(self, folder: Path) -> None:
        (folder / "squares.json").write_text(json.dumps(self.values))
        (folder / "squares.md").write_text(" ".join(map(str, self.values)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(json.loads((folder / "squares.json").read_text()))


@dataclass(frozen=True)
class Measured:
    length: Length
    squares: Squares


@stage
def measure(params: MakeParams, numbers: Numbers) -> Measured:
    """Count numbers, and now square them too."""
    return Measured(Length(len(numbers.values)), Squares([n * n for n in numbers.values]))


def test_the_component_has_it_with_its_type_and_its_view():
    outputs = stage_component(measure, "image").component_spec.outputs
    assert outputs is not None
    types = {name: output.type for name, output in outputs.items()}
    assert {name: types[name] for name in ("length", "squares", "list", "metrics")} == {
        "length": "system.Artifact@0.0.1",
        "squares": "system.Dataset@0.0.1",
        "list": "system.Markdown@0.0.1",
        "metrics": "system.Metrics@0.0.1",
    }


def test_the_command_line_writes_it_sealed(tmp_path):
    args = ["--numbers", str(made(tmp_path)), "--length", str(tmp_path / "length"), "--squares", str(tmp_path / "s")]
    done = CliRunner().invoke(stage_command(measure), args)
    assert (done.exit_code, done.exception) == (0, None), done.output
    assert Squares.load(tmp_path / "s").values == [0, 1, 4]
    assert digest(tmp_path / "s", "squares")
    assert (tmp_path / "s" / "squares.md").read_text() == "0 1 4"
