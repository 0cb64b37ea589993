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
from prunegap.artifacts.verdict import VERDICT, Verdict

HEADLINE = "headline.json"


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
    """

    evaluations: Sequence[Evaluation]
    verdict: Verdict
    files: Mapping[str, bytes]
    headline: Mapping[str, float] = field(default_factory=dict[str, float])

    def save(self, folder: Path) -> None:
        """Write the evaluations and the files."""
        save_evaluations(folder, self.evaluations)
        replace(self.verdict, files={}).save(folder)
        write_json(folder / HEADLINE, dict(self.headline))
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        known = {EVALUATIONS, VERDICT, HEADLINE, MANIFEST}
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name not in known}
        verdict = replace(Verdict.load(folder), files={})
        return cls(load_evaluations(folder), verdict, files, json.loads((folder / HEADLINE).read_text()))

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield the headline."""
        if self.headline:
            yield 0, self.headline
