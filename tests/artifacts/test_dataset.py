"""The ``dataset`` directory. Truth: the data set that was written; safetensors' and csv's own readers."""

import csv
import json
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from safetensors import safe_open

from prunegap.artifacts.dataset import Dataset, LeftOut
from prunegap.artifacts.identity import Identity
from prunegap.artifacts.manifest import check, seal
from prunegap.data.grouped import GroupedDataset, Split


@dataclass(frozen=True)
class Left:
    name: str
    reason: str


def dataset(*, attributes=True) -> Any:
    generator = torch.Generator().manual_seed(0)
    splits, rows, values = {}, {}, {}
    for name, count in (("train", 6), ("validation", 2), ("test", 4)):
        images = torch.randint(0, 256, (count, 3, 4, 5), generator=generator, dtype=torch.uint8)
        labels = torch.arange(count) % 2
        splits[name] = Split(images, labels, labels * 2 + torch.arange(count) % 2)
        rows[name] = [f"{name}/ä {i}.png" for i in range(count)]
        values[name] = {"race": labels, "site/north": torch.zeros(count, dtype=torch.int64)}
    return GroupedDataset(
        splits=splits,
        class_names=["cat", "dog"],
        group_names=["A x 0", "A x 1", "B x 0", "B x 1"],
        channel_mean=[0.1, 0.2, 1 / 3],
        channel_std=[0.3, 0.2, 0.1],
        target="race",
        group_by=["race", "site"],
        attribute_values={"race": ["A", "B"], "site/north": ["yes"]} if attributes else None,
        attributes=values if attributes else None,
        row_names=rows if attributes else None,
    )


@pytest.mark.parametrize("attributes", [True, False])
def test_what_is_loaded_is_what_was_saved_to_the_bit(tmp_path, attributes):
    saved = dataset(attributes=attributes)
    Dataset(saved, "faces").save(tmp_path)
    read = Dataset.load(tmp_path)
    loaded: Any = read.data
    assert (read.source, read.left_out) == ("faces", ())
    assert list(loaded.splits) == list(saved.splits)
    for name, split in saved.splits.items():
        for field in ("images", "labels", "groups"):
            assert torch.equal(getattr(loaded.splits[name], field), getattr(split, field))
        if attributes:
            assert loaded.attributes[name].keys() == saved.attributes[name].keys()
            assert all(torch.equal(loaded.attributes[name][key], saved.attributes[name][key]) for key in ("race",))
    for field in ("class_names", "group_names", "channel_mean", "channel_std", "target", "group_by", "row_names"):
        assert getattr(loaded, field) == getattr(saved, field)
    assert loaded.attribute_values == saved.attribute_values
    assert loaded.image_shape == (3, 4, 5)


def test_the_files_are_those_documented_and_seal_as_an_artifact(tmp_path):
    (tmp_path / "staging").mkdir()
    Dataset(dataset()).save(tmp_path / "staging")
    seal(tmp_path / "staging", tmp_path / "out", kind="dataset", identity=Identity(), made_on={})
    assert set(check(tmp_path / "out", "dataset").files) == {
        "dataset.json",
        "bad_rows.csv",
        *(f"{name}.safetensors" for name in ("train", "validation", "test")),
        *(f"row_names_{name}.json" for name in ("train", "validation", "test")),
    }
    with safe_open(tmp_path / "out" / "test.safetensors", "pt") as file:
        assert set(file.keys()) == {"images", "labels", "groups", "attribute/race", "attribute/site/north"}


def test_the_description_counts_every_group_of_every_split(tmp_path):
    Dataset(dataset()).save(tmp_path)
    described = json.loads((tmp_path / "dataset.json").read_text())
    assert described["image_shape"] == [3, 4, 5]
    assert described["counts"]["train"] == {
        "examples": 6,
        "groups": {"A x 0": 3, "A x 1": 0, "B x 0": 0, "B x 1": 3},
    }
    assert described["counts"]["test"]["examples"] == 4


def test_bad_rows_keep_commas_quotes_and_letters(tmp_path):
    bad = [Left('a,"b".png', "not an image"), Left("ä.png", "gender must be 0 or 1, got 2")]
    Dataset(dataset(), "", bad).save(tmp_path)
    assert Dataset.load(tmp_path).left_out == tuple(LeftOut(row.name, row.reason) for row in bad)
    with (tmp_path / "bad_rows.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name", "reason"], *([row.name, row.reason] for row in bad)]


def test_equal_data_gives_equal_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Dataset(dataset()).save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_split_that_is_a_view_or_not_contiguous_is_saved_as_its_values(tmp_path):
    whole = dataset()
    images = torch.arange(10 * 3 * 4 * 5, dtype=torch.int64).to(torch.uint8).view(10, 4, 5, 3).permute(0, 3, 1, 2)
    labels = torch.zeros(4, dtype=torch.int64)
    viewed = GroupedDataset({"train": Split(images[2:6], labels, labels)}, ["a"], ["a"], [0.0], [1.0])
    Dataset(viewed).save(tmp_path)
    assert torch.equal(Dataset.load(tmp_path).data.splits["train"].images, images[2:6])
    assert whole.num_groups == 4
