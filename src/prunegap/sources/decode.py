"""Every image once: decoded, converted, resized, and packed into one array."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from prunegap.errors import UserError
from prunegap.progress import Progress
from prunegap.sources.rows import BadRow, Image, RowError, Rows

_THREADS = min(16, 4 * (os.cpu_count() or 1))
_CHUNK = 256


@dataclass(frozen=True)
class Decoded:
    """The images of the rows ``row_indices`` (NCHW, uint8), the hash of each as it came, and the bad rows."""

    images: Image
    row_indices: Sequence[int]
    digests: Sequence[bytes]
    bad: Sequence[BadRow]


@dataclass(frozen=True)
class _Picture:
    pixels: Image
    digest: bytes


def decode(
    rows: Rows, wanted: Sequence[int], *, image_size: int | None, channels: int | None, progress: Progress
) -> Decoded:
    """Decode the images of the wanted rows.

    Args:
        rows: the source.
        wanted: indices of rows.
        image_size: side of the square every image is resized to (antialiased); None keeps the size.
        channels: 1 or 3; None keeps the images as they are.
        progress: shows how far it is.

    Raises:
        UserError: images of different sizes or channels without ``image_size`` or ``channels``.
    """
    packed: Image | None = None
    good: list[int] = []
    digests: list[bytes] = []
    bad: list[BadRow] = []
    pictures = _pictures(rows, wanted, _convert(image_size, channels))
    for row, picture in progress(zip(wanted, pictures, strict=True), len(wanted), "images"):
        if isinstance(picture, RowError):
            bad.append(BadRow(rows.names[row], str(picture)))
            continue
        if packed is None:
            packed = np.empty((len(wanted), *picture.pixels.shape), dtype=np.uint8)
        _require_same(rows, row, picture.pixels, good, packed)
        packed[len(good)] = picture.pixels
        good.append(row)
        digests.append(picture.digest)
    images = np.empty((0, 1, 1, 1), dtype=np.uint8) if packed is None else packed[: len(good)]
    return Decoded(images, good, digests, bad)


def _pictures(rows: Rows, wanted: Sequence[int], convert: Callable[[Image], Image]) -> Iterable[_Picture | RowError]:
    def picture(row: int) -> _Picture | RowError:
        try:
            image = rows.load(row)
        except RowError as error:
            return error
        # The shape too: the same bytes can be another image.
        digest = hashlib.blake2b(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes(), digest_size=16)
        return _Picture(convert(image), digest.digest())

    with ThreadPoolExecutor(_THREADS) as pool:
        # In chunks, so that no more than one chunk of images waits to be packed.
        for start in range(0, len(wanted), _CHUNK):
            yield from pool.map(picture, wanted[start : start + _CHUNK])


def _convert(image_size: int | None, channels: int | None) -> Callable[[Image], Image]:
    from PIL import Image as Pillow

    mode = {None: None, 1: "L", 3: "RGB"}[channels]

    def convert(image: Image) -> Image:
        source_mode = "L" if image.ndim == 2 else "RGB"
        resize = image_size is not None and image.shape[:2] != (image_size, image_size)
        if resize or mode not in {None, source_mode}:
            picture = Pillow.fromarray(image).convert(mode or source_mode)
            if resize and image_size is not None:
                # Pillow's filters widen with the reduction: bilinear is antialiased.
                picture = picture.resize((image_size, image_size), Pillow.Resampling.BILINEAR)
            image = np.asarray(picture)
        return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)

    return convert


def _require_same(rows: Rows, row: int, pixels: Image, good: Sequence[int], packed: Image) -> None:
    if pixels.shape == packed.shape[1:]:
        return
    first, other = packed.shape[1:], pixels.shape
    setting, noun = ("channels", "channels") if first[0] != other[0] else ("image_size", "sizes")
    raise UserError(
        f"images of different {noun}: '{rows.names[good[0]]}' is {_size(first)}, '{rows.names[row]}' is "
        f"{_size(other)} (channels x height x width); set {setting}"
    )


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
