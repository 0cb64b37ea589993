"""Truth: small tables and folders of real images, each with one thing wrong that the message must name."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pipeline.program import Ended, Program
from pipeline.workspaces import half_written, write_experiment

from prunegap.artifacts.dataset import Dataset

PICTURES = 60
Table = Callable[..., None]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture
def table(pictures: Path, tmp_path: Path) -> Table:
    """Return a function that writes images and their table, with one thing wrong."""

    def write(corrupt: tuple[int, ...] = (), missing: tuple[int, ...] = (), part: Callable[[int], str] | None = None):
        folder = shutil.copytree(pictures, tmp_path / "images")
        lines = ["image,animal,sex" + (",split" if part else "")]
        for number in range(PICTURES):
            lines.append(f"{number:02d}.png,{'cat' if number % 2 else 'dog'},{'f' if number % 3 else 'm'}")
            lines[-1] += f",{part(number)}" if part else ""
        for number in corrupt:
            (folder / f"{number:02d}.png").write_bytes(b"not an image")
        for number in missing:
            (folder / f"{number:02d}.png").unlink()
        (folder / "table.csv").write_text("\n".join(lines))

    return write


def prepared(program: Program, tmp_path: Path, **data) -> Ended:
    """Run an experiment on the table."""
    settings = {"source": "table", "location": "images/table.csv", "label_column": "animal", "group_by": ["sex"]}
    experiment = write_experiment(
        tmp_path, methods=["nft"], prepare_data=settings | {"validation_share": 0.0} | data,
        acquire_dense={"epochs": 0}, prune={"gmp_epochs": 0, "finetune_epochs": 1},
    )  # fmt: skip
    return program("run", experiment, "--workspace", "run", "--no-tracking")


def refused(ended: Ended, tmp_path: Path) -> str:
    """The one line of a refusal by prepare_data that left nothing half-written."""
    assert ended.code == 1, ended
    assert ended.err == f"error: {ended.error_lines[0]}\n", ended.err
    assert half_written(tmp_path) == []
    assert not list((tmp_path / "run").rglob("manifest.json"))
    return ended.error_lines[0].removeprefix("prepare_data: ")


def test_a_missing_folder_file_or_location_is_named(program: Program, tmp_path: Path) -> None:
    folder = refused(prepared(program, tmp_path, source="class_folders", location="faces"), tmp_path)
    assert folder == "faces: no such folder; name an existing folder or an s3:// address"
    file = refused(prepared(program, tmp_path), tmp_path)
    assert file == "images/table.csv: no such file; name an existing file or an s3:// address"
    nothing = refused(prepared(program, tmp_path, location=""), tmp_path)
    assert nothing == "this source needs a location: a file or an s3:// address"


def test_an_image_that_cannot_be_read_stops_the_run_or_is_listed_and_skipped(
    program: Program, table: Table, tmp_path: Path
) -> None:
    table(corrupt=(3,), missing=(4,))
    assert refused(prepared(program, tmp_path), tmp_path) == (
        "2 bad rows (03.png: not an image; 04.png: no such file); "
        "put them right, or leave them out with on_bad_rows: skip"
    )
    assert prepared(program, tmp_path, on_bad_rows="skip").code == 0
    dataset = tmp_path / "run/steps/prepare_data/dataset"
    listed = list(csv.reader((dataset / "bad_rows.csv").read_text().splitlines()))
    assert listed == [["name", "reason"], ["03.png", "not an image"], ["04.png", "no such file"]]
    assert sum(len(split) for split in Dataset.load(dataset).data.splits.values()) == PICTURES - 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"group_by": ["gender"]}, "this source has no attribute 'gender'; valid: animal, sex"),
        ({"target": "animals"}, "this source has no attribute 'animals'; did you mean 'animal'?"),
        ({"image_column": "path"}, "images/table.csv: no column 'path'; valid: animal, image, sex"),
        ({"class_names": ["cat", "bird"]}, "row '00.png': animal 'dog' is not a class; valid: bird, cat"),
        ({"drop_groups": ["x"]}, "drop_groups: no group or value 'x'; valid: f, m"),
        ({"drop_groups": ["f", "m"]}, "no examples are left; check drop_groups and the bad rows"),
        ({"channel_mean": [0.5]}, "channel_mean must be a number for each of 3 channels, got [0.5]"),
        ({"split": "given"}, "split 'given': this source defines no train and test; use content_hash or random"),
    ],
)
def test_what_the_data_do_not_have_is_named(
    program: Program, table: Table, tmp_path: Path, data: dict[str, object], message: str
) -> None:
    table()
    assert refused(prepared(program, tmp_path, **data), tmp_path).startswith(message)


@pytest.mark.parametrize(
    ("part", "lack"),
    [
        (lambda number: "train" if number % 3 or number < 3 else "test", "'f' (train 40, test 0)"),
        (lambda number: "test" if number % 3 or number < 3 else "train", "'f' (train 0, test 40)"),
    ],
)
def test_a_group_without_a_training_or_test_example_is_named(
    program: Program, table: Table, tmp_path: Path, part: Callable[[int], str], lack: str
) -> None:
    table(part=part)
    assert refused(prepared(program, tmp_path), tmp_path) == (
        f"every group needs examples in train and test, these lack them: {lack}; "
        "leave them out with drop_groups, or choose another group_by or split"
    )


def test_a_part_that_is_neither_train_nor_test_is_a_bad_row(program: Program, table: Table, tmp_path: Path) -> None:
    table(part=lambda number: "tset" if number == 7 else "train")
    line = refused(prepared(program, tmp_path), tmp_path)
    assert line.startswith("1 bad row (07.png: split must be train or test, got 'tset'); put them right")


def test_a_run_refused_goes_on_once_the_data_are_put_right(program: Program, table: Table, tmp_path: Path) -> None:
    table(missing=(5,))
    assert prepared(program, tmp_path).code == 1
    shutil.copy(tmp_path / "images/06.png", tmp_path / "images/05.png")
    assert prepared(program, tmp_path).code == 0
