"""CSV and Parquet tables over real files. Truth: the values they were written from."""

import os
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from prunegap.errors import UserError
from prunegap.sources.pack import pack
from prunegap.sources.registry import SourceOptions, open_source
from prunegap.sources.source_identity import source_identity


def write_image(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), grey).save(path)


def test_a_csv_gives_every_column_as_an_attribute_and_images_relative_or_absolute(tmp_path):
    write_image(tmp_path / "images" / "1.png", 1)
    write_image(tmp_path / "elsewhere" / "2.png", 2)
    lines = ["image,label,site", "images/1.png,cat,north", f"{tmp_path}/elsewhere/2.png,dog,"]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n\n", encoding="utf-8-sig")
    rows = open_source("table", str(tmp_path / "table.csv"))
    assert rows.columns == {"label": ["cat", "dog"], "site": ["north", ""]}
    assert rows.values("site") == ["north"]
    assert (rows.default_target, rows.default_group, rows.part) == ("label", "label", None)
    assert [rows.load(row)[0, 0] for row in (0, 1)] == [1, 2]


def test_a_table_named_relative_to_the_working_folder_finds_its_images(tmp_path, monkeypatch):
    write_image(tmp_path / "1.png", 9)
    (tmp_path / "table.csv").write_text("image,label\n1.png,cat\n")
    monkeypatch.chdir(tmp_path)
    assert open_source("table", "table.csv").load(0)[0, 0] == 9


def test_a_template_makes_a_path_of_what_the_image_column_has(tmp_path):
    write_image(tmp_path / "images" / "ISIC_7.png", 9)
    (tmp_path / "table.csv").write_text("image_id,dx\n7,nv\n")
    own = {"image_path": "images/ISIC_{}.png"}
    options = SourceOptions(image_column="image_id", label_column="dx", own=own)
    rows = open_source("table", str(tmp_path / "table.csv"), options)
    assert (rows.names, rows.load(0)[0, 0]) == (["images/ISIC_7.png"], 9)
    looked = source_identity(str(tmp_path / "table.csv"), options)["images of table.csv"]
    write_image(tmp_path / "images" / "ISIC_7.png", 8)
    os.utime(tmp_path / "images" / "ISIC_7.png", (1, 1))
    assert source_identity(str(tmp_path / "table.csv"), options)["images of table.csv"] != looked


@pytest.mark.parametrize("template", ["images/", "{}/{}.png"])
def test_a_template_needs_one_place_for_it(tmp_path, template):
    (tmp_path / "table.csv").write_text("image,label\n7,nv\n")
    with pytest.raises(UserError, match=r"image_path must have one \{\} .*got '" + re.escape(template)):
        open_source("table", str(tmp_path / "table.csv"), SourceOptions(own={"image_path": template}))


def test_a_parquet_file_keeps_whole_numbers_whole_and_gaps_empty(tmp_path):
    columns = {
        "path": ["a.png", "b.png", "c.png"],
        "diagnosis": pa.array([10, 9, 2], pa.int16()),
        "age": pa.array([30.0, None, 41.0]),
        "smoker": pa.array([True, None, False]),
        "pixels": pa.array([b"1", b"2", b"3"]),
        "box": pa.array([[1, 2], [3], []], pa.list_(pa.int8())),
    }
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    options = SourceOptions(image_column="path", label_column="diagnosis")
    rows = open_source("table", str(tmp_path / "table.parquet"), options)
    assert rows.columns == {
        "diagnosis": ["10", "9", "2"],
        "age": ["30", "", "41"],
        "smoker": ["True", "", "False"],
    }
    assert rows.values("diagnosis") == ["2", "9", "10"]
    assert rows.default_target == "diagnosis"


def test_the_part_column_decides_and_other_parts_are_bad_rows(tmp_path):
    lines = [
        "image,label,split",
        "1.png,cat,train",
        "2.png,cat,test",
        "3.png,cat,val",
        ",cat,train",
        "5.png,cat",
    ]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    rows = open_source("table", str(tmp_path / "table.csv"))
    assert list(rows.names) == ["1.png", "2.png"]
    assert rows.part == ["train", "test"]
    assert list(rows.columns) == ["label"]
    assert [(row.name, row.reason) for row in rows.bad] == [
        ("table.csv row 6", "2 fields, the header has 3"),
        ("3.png", "split must be train or test, got 'val'"),
        ("row 4", "no value in the column 'image'"),
    ]


def test_an_image_in_several_rows_gives_rows_of_different_names(tmp_path):
    (tmp_path / "table.csv").write_text("image,label\n1.png,cat\n2.png,cat\n1.png,dog\n")
    rows = open_source("table", str(tmp_path / "table.csv"))
    assert list(rows.names) == ["1.png (row 1)", "2.png", "1.png (row 3)"]


@pytest.mark.parametrize("split", ["random", "content_hash"])
def test_rows_of_one_image_go_where_they_went_when_the_table_is_sorted_otherwise(tmp_path, split):
    lines = [f"{image}.png,{label}" for image in range(40) for label in ("cat", "dog")]
    for image in range(40):
        write_image(tmp_path / f"{image}.png", image)
    sides = []
    for name, content in (("one", lines), ("other", lines[::-1])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["image,label", *content]))
        rows = open_source("table", str(tmp_path / f"{name}.csv"))
        data = pack(rows, target="label", group_by=["label"], split=split, validation_share=0.3).dataset
        sides.append(
            {
                part: sorted(zip(split.images[:, 0, 0, 0].tolist(), split.labels.tolist(), strict=True))
                for part, split in data.splits.items()
            }
        )
    assert sides[0] == sides[1]
    test = [image for image, _ in sides[0]["test"]]
    assert len(test) == 2 * len(set(test)), "an image is on one side, whatever its labels"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", b"images,label\n", r"no column 'image'; did you mean 'images'\?"),
        ("table.csv", b"image,klass\n", "no column 'label'; valid: image, klass"),
        ("table.csv", b"image,label,label\n", "the column 'label' is there twice"),
        ("table.csv", b"", "an empty table"),
        ("table.csv", b"image,label\n\xff\xfe,1\n", "not a CSV file in UTF-8"),
        ("table.parquet", b"image,label\n", "not a Parquet file"),
        ("table.xlsx", b"", r"a \.csv or \.parquet file, got '\.xlsx'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        open_source("table", str(tmp_path / name))
    assert "\n" not in str(caught.value)
