"""``comparison``: every evaluation side by side: ``evaluations.json``, tables, pictures and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from prunegap.artifacts.evaluation import EVALUATIONS, Evaluation, load_evaluations, save_evaluations
from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import MANIFEST, write_json
from prunegap.artifacts.method_difference import MethodDifference, plain_differences, read_differences
from prunegap.artifacts.verdict import VERDICT, Verdict

HEADLINE = "headline.json"
DIFFERENCES = "method_differences.json"


@dataclass(frozen=True)
class Comparison(
    Artifact,
    kind="comparison",
    views={"groups": "groups.md", "table": "comparison.md", "report": "comparison.html"},
    tracked="result",
):
    """All evaluations of a run.

    Attributes:
        evaluations: in the order they were given.
        verdict: on each of them.
        files: content of every table, picture and page by file name.
        headline: what a tracker shows of it by name.
        differences: of each method beside the first.
    """

    evaluations: Sequence[Evaluation]
    verdict: Verdict
    files: Mapping[str, bytes]
    headline: Mapping[str, float] = field(default_factory=dict[str, float])
    differences: Sequence[MethodDifference] = ()

    def save(self, folder: Path) -> None:
        """Write the evaluations and the files."""
        save_evaluations(folder, self.evaluations)
        replace(self.verdict, files={}).save(folder)
        write_json(folder / HEADLINE, dict(self.headline))
        write_json(folder / DIFFERENCES, plain_differences(self.differences))
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        known = {EVALUATIONS, VERDICT, HEADLINE, DIFFERENCES, MANIFEST}
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name not in known}
        verdict = replace(Verdict.load(folder), files={})
        headline = json.loads((folder / HEADLINE).read_text())
        return cls(load_evaluations(folder), verdict, files, headline, load_differences(folder))

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield the headline."""
        if self.headline:
            yield 0, self.headline


def load_differences(folder: Path) -> tuple[MethodDifference, ...]:
    """Read the differences between methods in a comparison; one of an earlier version has none."""
    path = folder / DIFFERENCES
    return read_differences(json.loads(path.read_text())) if path.is_file() else ()
