"""``dataset``: packed images, labels, groups and attributes of every split, and what they are called.

A safetensors file a split (``images`` NCHW uint8, ``labels``, ``groups``, ``attribute/<name>``),
``row_names_<split>.json``, ``bad_rows.csv``, and ``dataset.json`` for the names, statistics and counts.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from prunegap.artifacts.elsewhere import file_of
from prunegap.artifacts.kind import Artifact
from prunegap.artifacts.manifest import write_json

if TYPE_CHECKING:
    from torch import Tensor

    from prunegap.data.grouped import GroupedDataset

DATASET = "dataset.json"
BAD_ROWS = "bad_rows.csv"
_ATTRIBUTE = "attribute/"


class LeftOutRow(Protocol):
    """A row that is not in the data set, and why."""

    @property
    def name(self) -> str:
        """Name of the row in its source."""
        ...

    @property
    def reason(self) -> str:
        """Why it cannot be used."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """A row that was left out, as read back."""

    name: str
    reason: str


@dataclass(frozen=True)
class Dataset(Artifact, kind="dataset", kubeflow="Dataset", bulk="*.safetensors"):
    """Grouped data, the name of their source, and the rows of it that are not there."""

    data: GroupedDataset
    source: str = ""
    left_out: Sequence[LeftOutRow] = ()

    def save(self, folder: Path) -> None:
        """Write the files; images mapped from another artifact stay on disk."""
        from prunegap.training.tensor_files import write_tensors

        data = self.data
        for name, split in data.splits.items():
            tensors = {"images": split.images, "labels": split.labels, "groups": split.groups}
            for attribute, values in (data.attributes or {}).get(name, {}).items():
                tensors[_ATTRIBUTE + attribute] = values
            write_tensors(folder / f"{name}.safetensors", tensors)
            if data.row_names is not None:
                write_json(folder / f"row_names_{name}.json", list(data.row_names[name]))
        with (folder / BAD_ROWS).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["name", "reason"])
            writer.writerows([row.name, row.reason] for row in self.left_out)
        write_json(folder / DATASET, {"source": self.source} | _description(data))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; the images are mapped from the file, not copied."""
        from safetensors.torch import load_file

        from prunegap.data.grouped import GroupedDataset, Split

        raw = json.loads((folder / DATASET).read_text(encoding="utf-8"))
        splits: dict[str, Split] = {}
        attributes: dict[str, dict[str, Tensor]] = {}
        row_names: dict[str, list[str]] = {}
        for name in raw["counts"]:
            tensors = load_file(file_of(folder, f"{name}.safetensors"))
            splits[name] = Split(tensors.pop("images"), tensors.pop("labels"), tensors.pop("groups"))
            attributes[name] = {key.removeprefix(_ATTRIBUTE): values for key, values in tensors.items()}
            names_file = folder / f"row_names_{name}.json"
            if names_file.is_file():
                row_names[name] = json.loads(names_file.read_text(encoding="utf-8"))
        values = raw["attribute_values"]
        data = GroupedDataset(
            splits=splits,
            class_names=raw["class_names"],
            group_names=raw["group_names"],
            channel_mean=raw["channel_mean"],
            channel_std=raw["channel_std"],
            target=raw["target"],
            group_by=raw["group_by"],
            attribute_values=values,
            attributes=None if values is None else attributes,
            row_names=row_names or None,
        )
        with (folder / BAD_ROWS).open(newline="", encoding="utf-8") as file:
            left_out = tuple(LeftOut(**row) for row in csv.DictReader(file))
        return cls(data, raw["source"], left_out)

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield how many examples each split has, and how many rows were left out."""
        counts = {f"examples/{name}": len(split) for name, split in self.data.splits.items()}
        yield 0, counts | {"bad_rows": len(self.left_out)}


def _description(dataset: GroupedDataset) -> dict[str, Any]:
    values = dataset.attribute_values
    return {
        "image_shape": list(dataset.image_shape),
        "class_names": list(dataset.class_names),
        "group_names": list(dataset.group_names),
        "target": dataset.target,
        "group_by": list(dataset.group_by),
        "channel_mean": list(dataset.channel_mean),
        "channel_std": list(dataset.channel_std),
        "attribute_values": None if values is None else {name: list(one) for name, one in values.items()},
        "counts": {
            name: {
                "examples": len(split),
                "groups": dict(zip(dataset.group_names, split.group_counts(dataset.num_groups).tolist(), strict=True)),
            }
            for name, split in dataset.splits.items()
        },
    }
