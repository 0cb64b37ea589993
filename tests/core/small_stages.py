"""Two small stages over the real contract: one makes numbers, one reads them and makes two artifacts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import read_manifest
from prunegap.stages.contract import Paths, stage
from prunegap.stages.params import NO_EFFECT, StageParams
from prunegap.tracking.protocol import NullTracker
from prunegap.training.checkpoints import Checkpoint


@dataclass(frozen=True)
class Numbers(Artifact, kind="numbers"):
    values: list[int]

    def save(self, folder: Path) -> None:
        (folder / "numbers.json").write_text(json.dumps(self.values))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(json.loads((folder / "numbers.json").read_text()))


@dataclass(frozen=True)
class Product(Artifact, kind="product"):
    values: list[int]
    padding: int = 0

    def save(self, folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "padding").write_bytes(bytes(self.padding))
        (folder / "numbers.json").write_text(json.dumps(self.values))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(json.loads((folder / "numbers.json").read_text()), (folder / "deep/padding").stat().st_size)


@dataclass(frozen=True)
class Length(Artifact, kind="length"):
    length: int
    crash: bool = False

    def save(self, folder: Path) -> None:
        (folder / "length.json").write_text(str(self.length))
        if self.crash:
            raise ZeroDivisionError("between two outputs")

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(int((folder / "length.json").read_text()))


class MakeParams(StageParams):
    count: int = 3


@stage
def make_numbers(params: MakeParams) -> Numbers:
    """Write the first few numbers."""
    return Numbers(list(range(params.count)))


class MultiplyParams(StageParams):
    factor: int = 2
    padding: int = Field(default=0, description="Bytes written beside the numbers.")
    crash: str = Field(default="", json_schema_extra=NO_EFFECT)
    save_every: int = Field(default=1, json_schema_extra=NO_EFFECT)
    read: str = Field(default="", json_schema_extra=NO_EFFECT)
    method: str = Field(default="", json_schema_extra=NO_EFFECT)

    def outside(self) -> Mapping[str, str]:
        return {"the table": self.read}

    def code(self) -> Mapping[str, str]:
        return {"the code of the method": self.method}


@dataclass(frozen=True)
class Multiplied:
    product: Product
    length: Length


@stage
def multiply(
    params: MultiplyParams, numbers: Numbers, others: tuple[Length, ...], *, checkpoint: Checkpoint
) -> Multiplied:
    """Multiply all numbers.

    Only the first line is the summary.
    """
    checkpoint.path.write_text("half-way")
    if params.crash == "work":
        raise ZeroDivisionError("in the middle of the stage")
    product = Product([params.factor * n for n in numbers.values], params.padding)
    return Multiplied(product, Length(len(numbers.values) + len(others), params.crash == "save"))


def made(folder: Path, count: int = 3) -> Path:
    """Return sealed numbers below ``folder``."""
    path = folder / f"numbers{count}"
    make_numbers.run(MakeParams(count=count), {}, {"numbers": path}, NullTracker())
    return path


def inputs_of(numbers: Path, *others: Path) -> dict[str, Any]:
    return {"numbers": numbers, "others": others}


def outputs_in(folder: Path) -> dict[str, Path]:
    return {"product": folder / "product", "length": folder / "length"}


def run(params: MultiplyParams, inputs: Paths, outputs: Mapping[str, Path]) -> None:
    multiply.run(params, inputs, outputs, NullTracker())


def changes(params: MultiplyParams, inputs: Paths, outputs: Paths, **options) -> Any:
    """What has changed since the outputs were made; None: not there."""
    return multiply.changes(multiply.identity(params, inputs), outputs, **options)


def digest(path: Path, kind: str) -> str:
    return read_manifest(path, kind).digest


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
