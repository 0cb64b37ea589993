"""``table``: a CSV or Parquet file with a column of image paths, a label and any other attributes."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from prunegap.errors import UserError, did_you_mean
from prunegap.remote.location import file_at
from prunegap.remote.s3 import connect, fetch, is_s3
from prunegap.remote.s3_errors import MissingObjectError
from prunegap.sources.columns import Columns, read_columns
from prunegap.sources.images import read_image
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import BadRow, Image, RowError, Rows

PARTS = ("train", "test")


def open_table(location: str, options: SourceOptions, *, image_path: str = "") -> Rows:
    """Read a table; an image path is relative to the table, absolute, or an ``s3://`` address.

    ``image_path`` makes it from what the image column has: ``images/{}.jpg``.

    Every column but those of the image and of the part is an attribute. The label column is the default
    target and group. Where ``options.part_column`` exists it must say ``train`` or ``test``.

    Raises:
        UserError: no image or label column, or no readable table.
    """
    table = read_columns(file_at(location, options.cache_dir))
    for needed in (options.image_column, options.label_column):
        if needed not in table.values:
            raise UserError(f"{location}: no column '{needed}'{did_you_mean(needed, table.values)}")
    part_column = options.part_column if options.part_column in table.values else None
    kept, bad = _usable(table, options.image_column, part_column)
    images = [path_of(table.values[options.image_column][row], image_path) for row in kept]
    columns = {
        name: [values[row] for row in kept]
        for name, values in table.values.items()
        if name not in {options.image_column, part_column}
    }
    return Rows(
        names=_unique(images, kept),
        columns=columns,
        load=_loader([beside(location, image) for image in images], options.cache_dir),
        default_target=options.label_column,
        default_group=options.label_column,
        part=None if part_column is None else [table.values[part_column][row] for row in kept],
        bad=bad,
        keys=images,
    )


def _usable(table: Columns, image_column: str, part_column: str | None) -> tuple[list[int], list[BadRow]]:
    kept: list[int] = []
    bad = list(table.bad)
    images = table.values[image_column]
    parts = PARTS[:1] * len(images) if part_column is None else table.values[part_column]
    for row, (image, part) in enumerate(zip(images, parts, strict=True)):
        if not image:
            bad.append(BadRow(f"row {row + 1}", f"no value in the column '{image_column}'"))
        elif part not in PARTS:
            bad.append(BadRow(image, f"{part_column} must be train or test, got '{part}'"))
        else:
            kept.append(row)
    return kept, bad


def _unique(images: Sequence[str], kept: Sequence[int]) -> list[str]:
    # One image may well stand in several rows, with another label in each.
    times = Counter(images)
    return [image if times[image] == 1 else f"{image} (row {row + 1})" for image, row in zip(images, kept, strict=True)]


def path_of(image: str, template: str) -> str:
    """Return the path that a table's image column and a template such as ``images/{}.jpg`` give.

    Raises:
        UserError: a template that has not exactly one ``{}``.
    """
    if not template:
        return image
    if template.count("{}") != 1:
        raise UserError(f"image_path must have one {{}} where the image column's value goes, got '{template}'")
    return template.replace("{}", image)


def beside(location: str, image: str) -> str:
    """Return the path or address of an image as a table at ``location`` means it."""
    if is_s3(image) or Path(image).is_absolute():
        return image
    folder, slash, _ = location.rpartition("/")
    return f"{folder}{slash}{image}"


def _loader(images: Sequence[str], cache_dir: Path) -> Callable[[int], Image]:
    client = connect() if any(map(is_s3, images)) else None

    def load(row: int) -> Image:
        if not is_s3(images[row]):
            return read_image(Path(images[row]).expanduser())
        try:
            return read_image(fetch(images[row], cache_dir, client))
        except MissingObjectError:
            raise RowError("no such object") from None

    return load
