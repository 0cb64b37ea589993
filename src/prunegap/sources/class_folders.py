"""``class_folders``: a folder a class, images inside; with or without ``train`` and ``test`` above them."""

from pathlib import Path

from prunegap.errors import UserError
from prunegap.remote.location import folder_at
from prunegap.sources.images import is_image, read_image
from prunegap.sources.registry import SourceOptions
from prunegap.sources.rows import Rows


def open_class_folders(location: str, options: SourceOptions) -> Rows:
    """Read ``location/{train,test}/<class>/<image>`` or ``location/<class>/<image>``.

    Classes are in the order of their names as text, as in torchvision's ``ImageFolder``.

    Raises:
        UserError: only one of ``train`` and ``test``, or no image.
    """
    root = folder_at(location, options.cache_dir)
    parts = [part for part in ("train", "test") if (root / part).is_dir()]
    if len(parts) == 1:
        raise UserError(f"{location}: has '{parts[0]}' only; it needs train/<class> and test/<class>, or just <class>")
    paths = [path for folder in (parts or ["."]) for path in _images(root / folder)]
    if not paths:
        raise UserError(
            f"{location}: no images in class folders there; expected <class>/<image> or train/<class>/<image>"
        )
    return Rows(
        names=[path.relative_to(root).as_posix() for path in paths],
        columns={"class": [path.parent.name for path in paths]},
        load=lambda row: read_image(paths[row]),
        default_target="class",
        default_group="class",
        part=[path.parent.parent.name for path in paths] if parts else None,
        value_order={"class": sorted({path.parent.name for path in paths})},
    )


def _images(folder: Path) -> list[Path]:
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for one in classes for path in sorted(one.iterdir()) if is_image(path)]
