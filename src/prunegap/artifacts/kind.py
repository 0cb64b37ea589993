"""A kind of artifact is a class that loads and saves itself; defining the class registers the kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

KINDS: dict[str, type[Artifact]] = {}


class Artifact(ABC):
    """What passes between stages, as a value; on disk a folder whose files only its class knows.

    A class is defined with ``class Baseline(Artifact, kind="baseline")`` and further keywords:

    Attributes:
        kind: name on disk and of the ports.
        kubeflow: name of its type among Kubeflow's: Dataset, Model or Artifact.
        views: files a person looks at, Markdown or HTML, by the name they are shown under.
        tracked: how a tracker keeps it: as attached files, as those and as what the whole pipeline run shows (its
            result), as a logged model, or as numbers alone.
        judges: kind, and name, of the input that its metrics are about: the logged model of that input gets them too.
        meets_other: names of what it is made from and may later meet others of, as a model may meet other data.
        bulk: pattern of its files that can be large, which may lie outside its folder; empty: none.
    """

    kind: ClassVar[str]
    kubeflow: ClassVar[str]
    views: ClassVar[Mapping[str, str]]
    tracked: ClassVar[Literal["files", "result", "model", "numbers"]]
    judges: ClassVar[str]
    meets_other: ClassVar[frozenset[str]]
    bulk: ClassVar[str]

    def __init_subclass__(
        cls,
        *,
        kind: str,
        kubeflow: Literal["Dataset", "Model", "Artifact"] = "Artifact",
        views: Mapping[str, str] | None = None,
        tracked: Literal["files", "result", "model", "numbers"] = "numbers",
        judges: str = "",
        meets_other: Collection[str] = (),
        bulk: str = "",
    ) -> None:
        cls.kind, cls.kubeflow, cls.views, cls.tracked, cls.judges = kind, kubeflow, views or {}, tracked, judges
        cls.meets_other, cls.bulk = frozenset(meets_other), bulk
        # A dataclass with slots is made twice under one name; two classes are not to share a kind.
        other = KINDS.setdefault(kind, cls)
        if other.__qualname__ != cls.__qualname__ or other.__module__ != cls.__module__:
            raise TypeError(f"kind '{kind}' is {other.__name__} already, {cls.__name__} needs another")

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the files of the artifact into an existing folder."""

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield (epoch, numbers by name): all that a tracker shows of it."""
        yield from ()
