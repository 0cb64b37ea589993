"""``verdict``: may each model of a run be used, by stated rules, bound to the digests of all that it rests on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import MANIFEST, write_json
from prunegap.errors import UserError

if TYPE_CHECKING:
    from prunegap.uncertainty import Audit

VERDICT = "verdict.json"
SCHEMA_VERSION = 1
ADMISSIBLE, UNDECIDABLE, INADMISSIBLE = "admissible", "undecidable", "inadmissible"
SHOWN_AS = {ADMISSIBLE: 1.0, UNDECIDABLE: 0.0, INADMISSIBLE: -1.0}
"""What a tracker, which knows numbers alone, shows for a verdict."""


@dataclass(frozen=True)
class ModelVerdict:
    """One model.

    Attributes:
        name: method, sparsity and seed in words.
        method: its shown name.
        summary: what the method does.
        network: name of the network.
        dataset: name of the data that it was judged on.
        target: what it predicts.
        sparsity: share of prunable weights that was to be zero.
        achieved_sparsity: share that is.
        seed: of pruning and fine-tuning.
        made_from: digest of the evaluation, of the model with its masks, of the data, of the dense model's
            predictions and of the code, by name.
        audit: what it does to each group, and the verdict.
    """

    name: str
    method: str
    summary: str
    network: str
    dataset: str
    target: str
    sparsity: float
    achieved_sparsity: float
    seed: int
    made_from: Mapping[str, str]
    audit: Audit


@dataclass(frozen=True)
class Verdict(Artifact, kind="verdict", views={"models": "verdict.md"}, tracked="files"):
    """May the models be used.

    Attributes:
        split: part of the data that was judged on.
        rule: what protects the admission of one chosen among several: ``bonferroni`` or ``fixed_sequence``.
        accepts_undecidable: whether a model on which the data decide nothing passes too.
        models: in the order they were given.
        files: content of further files by name.
    """

    split: str
    rule: str
    accepts_undecidable: bool
    models: Sequence[ModelVerdict]
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)

    @property
    def word(self) -> str:
        """The verdict over all models: the worst."""
        words = {one.audit.verdict for one in self.models}
        return next(word for word in (INADMISSIBLE, UNDECIDABLE, ADMISSIBLE) if word in words)

    @property
    def passing(self) -> Sequence[ModelVerdict]:
        """Those that pass the gate."""
        return [one for one in self.models if self.passes(one)]

    def passes(self, model: ModelVerdict) -> bool:
        """Whether a model passes the gate."""
        word = model.audit.verdict
        return word == ADMISSIBLE or (word == UNDECIDABLE and self.accepts_undecidable)

    def plain(self) -> dict[str, Any]:
        """Return all of it but the further files as plain JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.word,
            "split": self.split,
            "rule": self.rule,
            "accepts_undecidable": self.accepts_undecidable,
            "models": [
                {**{one.name: getattr(model, one.name) for one in fields(model)}, "audit": model.audit.plain()}
                for model in self.models
            ],
        }

    def save(self, folder: Path) -> None:
        """Write ``verdict.json`` and the further files."""
        write_json(folder / VERDICT, self.plain())
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            UserError: there is none, as in a comparison of an earlier version.
        """
        from prunegap.uncertainty import Audit

        if not (folder / VERDICT).is_file():
            raise UserError(f"{folder}: lacks {VERDICT}, for it is of an earlier version; run the stage anew")
        raw = json.loads((folder / VERDICT).read_text(encoding="utf-8"))
        of_models: list[dict[str, Any]] = [{**one, "audit": Audit.from_plain(one["audit"])} for one in raw["models"]]
        models = [ModelVerdict(**one) for one in of_models]
        known = {VERDICT, MANIFEST}
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name not in known}
        return cls(raw["split"], raw["rule"], raw["accepts_undecidable"], models, files)

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield the verdict on each model: 1 admissible, 0 undecidable, -1 inadmissible."""
        yield 0, {f"verdict/{one.name}": SHOWN_AS[one.audit.verdict] for one in self.models}
