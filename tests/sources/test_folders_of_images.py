"""Class folders, UTKFace and FairFace over real PNG and JPEG files. Truth: the published naming rules."""

import numpy as np
import pytest
from PIL import Image

from prunegap.errors import UserError
from prunegap.sources.images import read_image
from prunegap.sources.registry import open_source
from prunegap.sources.rows import RowError

FAIRFACE_HEADER = "file,age,gender,race,service_test\n"


def write_image(path, colour=(200, 100, 50), size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if isinstance(colour, tuple) else "L", size, colour).save(path)


def test_class_folders_with_train_and_test_give_the_parts(tmp_path):
    for part in ("train", "test"):
        for name in ("zebra", "ant"):
            write_image(tmp_path / part / name / "1.png")
    (tmp_path / "train" / "ant" / "notes.txt").touch()
    (tmp_path / "train" / "ant" / "._1.png").touch()
    rows = open_source("class_folders", str(tmp_path))
    assert list(rows.names) == ["train/ant/1.png", "train/zebra/1.png", "test/ant/1.png", "test/zebra/1.png"]
    assert rows.columns["class"] == ["ant", "zebra", "ant", "zebra"]
    assert rows.part == ["train", "train", "test", "test"]
    assert rows.load(0).tolist()[0][0] == [200, 100, 50]


def test_class_folders_without_parts_leave_the_split_to_the_user(tmp_path):
    write_image(tmp_path / "ant" / "1.JPG")
    write_image(tmp_path / "zebra" / "1.png", colour=7)
    rows = open_source("class_folders", str(tmp_path))
    assert rows.part is None
    assert rows.load(1).tolist() == [[7] * 8] * 8


def test_class_folders_are_in_the_order_of_torchvisions_image_folder(tmp_path):
    from torchvision.datasets import ImageFolder

    for name in ("10", "9", "a", "B"):
        write_image(tmp_path / name / "1.png")
    assert open_source("class_folders", str(tmp_path)).values("class") == ImageFolder(tmp_path).classes


def test_half_a_split_and_no_images_are_refused(tmp_path):
    with pytest.raises(UserError, match="no images in class folders"):
        open_source("class_folders", str(tmp_path))
    write_image(tmp_path / "train" / "ant" / "1.png")
    with pytest.raises(UserError, match="has 'train' only"):
        open_source("class_folders", str(tmp_path))


def test_utkface_names_say_race_gender_and_age_bin(tmp_path):
    for name in (
        "9_0_0_20170109150557335",
        "10_1_2_20170109150557335",
        "116_1_4_20170109150557335",
        "80_0_3_1",
    ):
        write_image(tmp_path / f"{name}.jpg.chip.jpg")
    rows = open_source("utkface", str(tmp_path))
    assert dict(zip(rows.names, zip(*rows.columns.values(), strict=True), strict=True)) == {
        "10_1_2_20170109150557335.jpg.chip.jpg": ("Asian", "Female", "10-19"),
        "116_1_4_20170109150557335.jpg.chip.jpg": ("Others", "Female", "80+"),
        "80_0_3_1.jpg.chip.jpg": ("Indian", "Male", "80+"),
        "9_0_0_20170109150557335.jpg.chip.jpg": ("White", "Male", "0-9"),
    }
    assert rows.values("race") == ["White", "Black", "Asian", "Indian", "Others"]
    assert rows.values("gender") == ["Male", "Female"]
    assert len(rows.values("age_bin")) == 9
    assert rows.bad == []


def test_of_the_five_malformed_published_names_the_three_without_a_label_are_bad_rows(tmp_path):
    nameless = ["39_1_20170116174525125", "61_1_20170109142408075", "61_1_20170109150557335"]
    for name in nameless:
        write_image(tmp_path / f"{name}.jpg.chip.jpg")
    write_image(tmp_path / "24_0_1_20170116220224657 .jpg.chip.jpg")
    write_image(tmp_path / "55_0_0_20170116232725357jpg.chip.jpg")
    rows = open_source("utkface", str(tmp_path))
    assert [row.name for row in rows.bad] == [f"{name}.jpg.chip.jpg" for name in nameless]
    assert "malformed name" in rows.bad[0].reason
    assert rows.columns["race"] == ["Black", "White"]


def test_utkface_codes_without_a_meaning_are_bad_rows(tmp_path):
    for name in ("20_2_0_1", "20_0_5_1", "old_0_0_1"):
        write_image(tmp_path / f"{name}.jpg")
    rows = open_source("utkface", str(tmp_path))
    assert {row.name: row.reason.split(",")[0] for row in rows.bad} == {
        "20_2_0_1.jpg": "gender must be 0 or 1",
        "20_0_5_1.jpg": "race must be 0..4",
        "old_0_0_1.jpg": "malformed name",
    }


def test_a_folder_without_faces_is_refused(tmp_path):
    with pytest.raises(UserError, match="no images there"):
        open_source("utkface", str(tmp_path))


def write_fairface(folder, train, val="val/1.jpg,20-29,Male,White,True\n"):
    (folder / "fairface_label_train.csv").write_text(FAIRFACE_HEADER + train)
    (folder / "fairface_label_val.csv").write_text(FAIRFACE_HEADER + val)
    write_image(folder / "val" / "1.jpg")


def test_fairface_reads_both_tables_and_takes_val_as_test(tmp_path):
    write_fairface(tmp_path, "train/1.jpg,3-9,Female,Latino_Hispanic,False\n")
    rows = open_source("fairface", str(tmp_path))
    assert rows.part == ["train", "test"]
    assert rows.columns == {
        "race": ["Latino_Hispanic", "White"],
        "gender": ["Female", "Male"],
        "age_bin": ["3-9", "20-29"],
    }
    assert rows.values("race")[0] == "East Asian"
    assert rows.values("race")[6] == "Southeast Asian"
    assert rows.load(1).shape == (8, 8, 3)
    with pytest.raises(RowError, match="no such file"):
        rows.load(0)


def test_ages_that_a_spreadsheet_turned_into_dates_are_repaired(tmp_path):
    write_fairface(tmp_path, "train/1.jpg,03-Sep,Female,Black,False\ntrain/2.jpg,Oct-19,Male,Black,False\n")
    rows = open_source("fairface", str(tmp_path))
    assert rows.columns["age_bin"] == ["3-9", "10-19", "20-29"]
    assert rows.bad == []


def test_other_spoiled_fairface_rows_are_named(tmp_path):
    lines = [
        "train/1.jpg,Feb-30,Female,Black,False",
        "train/2.jpg,20-29,Female,Blue,False",
        "train/3.jpg,20-29",
        "val/1.jpg,20-29,Male,White,True",
    ]
    write_fairface(tmp_path, "\n".join(lines) + "\n")
    rows = open_source("fairface", str(tmp_path))
    assert rows.names == ["val/1.jpg"]
    assert [(row.name, row.reason.split(" is none")[0]) for row in rows.bad] == [
        ("fairface_label_train.csv row 4", "2 fields, the header has 5"),
        ("train/1.jpg", "age 'Feb-30'"),
        ("train/2.jpg", "race 'Blue'"),
        ("val/1.jpg", "listed a second time"),
    ]


def test_a_missing_fairface_table_or_column_is_named(tmp_path):
    with pytest.raises(UserError, match=r"fairface_label_train\.csv: no such file"):
        open_source("fairface", str(tmp_path))
    (tmp_path / "fairface_label_train.csv").write_text("file,age,gender,races\n")
    with pytest.raises(UserError, match=r"no column 'race'; did you mean 'races'\?"):
        open_source("fairface", str(tmp_path))


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("L", (4, 6)), ("LA", (4, 6)), ("1", (4, 6)), ("RGB", (4, 6, 3)), ("RGBA", (4, 6, 3)), ("P", (4, 6, 3))],
)
def test_every_mode_becomes_grey_or_three_channels(tmp_path, mode, shape):
    Image.new("RGB", (6, 4), (255, 0, 0)).convert(mode).save(tmp_path / "image.png")
    image = read_image(tmp_path / "image.png")
    assert image.shape == shape
    assert image.dtype == np.uint8
    if len(shape) == 3:
        assert image[0, 0].tolist() == [255, 0, 0]


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    palette = Image.new("RGB", (6, 4), (255, 0, 0)).convert("P")
    palette.save(tmp_path / "image.png", transparency=b"\x80" * 256)
    assert read_image(tmp_path / "image.png")[0, 0].tolist() == [255, 0, 0]


def test_what_is_not_an_image_has_a_reason(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    Image.new("I;16", (4, 4)).save(tmp_path / "deep.png")
    write_image(tmp_path / "whole.jpg", size=(64, 64))
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-40])
    for name, reason in (
        ("none.png", "no such file"),
        ("text.png", "not an image"),
        ("deep.png", "8 bits a channel"),
        ("cut.jpg", "unreadable image: .*truncated"),
    ):
        with pytest.raises(RowError, match=reason):
            read_image(tmp_path / name)
