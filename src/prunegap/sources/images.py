"""Image files as arrays. Pixels are taken as stored: an EXIF rotation is not applied (as in torchvision)."""

import struct
import zlib
from pathlib import Path

import numpy as np

from prunegap.sources.rows import Image, RowError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_GREY_MODES = frozenset({"1", "L", "LA", "La"})


def is_image(path: Path) -> bool:
    """Tell whether a path looks like an image: a known suffix, not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_image(path: Path) -> Image:
    """Decode an image file: HW where it is greyscale, else HWC with three channels (alpha is dropped).

    Raises:
        RowError: no such file, not an image, truncated, or of a depth that does not fit into 8 bits.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as image:
            if image.mode[0] in "IF":
                raise RowError(f"pixels of mode {image.mode}, 8 bits a channel are needed")
            # By way of RGBA: Pillow warns where a palette's transparency is dropped in one step.
            whole = image.convert("RGBA") if "transparency" in image.info else image
            return np.array(whole.convert("L" if image.mode in _GREY_MODES else "RGB"))
    except FileNotFoundError:
        raise RowError("no such file") from None
    except Pillow.UnidentifiedImageError:
        raise RowError("not an image") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        zlib.error,
        Pillow.DecompressionBombError,
    ) as error:
        raise RowError(f"unreadable image: {' '.join(str(error).split())}") from None
