"""Foreign pickles of known shape, read without running anything they name.

Unpickling calls whatever functions the file asks for. This reader admits only what arrays, bytes, strings,
lists and dicts need, and refuses every other name.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from prunegap.errors import UserError
from prunegap.pickles import ends_whole


class _RefusedError(Exception):
    """The pickle names something that is not admitted."""


def load_plain_pickle(path: Path) -> Any:  # noqa: ANN401
    """Read a pickle that holds only arrays, bytes, strings, numbers, lists and dicts (Python 2's included).

    Raises:
        UserError: no such file, not a pickle, or it asks for anything else.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except _RefusedError as refused:
        if not ends_whole(path):
            raise UserError(f"{path}: not a readable pickle (cut off); take a fresh copy") from None
        raise UserError(
            f"{path}: refused: the pickle asks for '{refused}', only arrays, bytes, strings, lists and dicts "
            "are admitted; take the file from its original source"
        ) from None
    except Exception as error:
        # A damaged pickle can fail in any way, MemoryError and AttributeError included.
        raise UserError(f"{path}: not a readable pickle ({type(error).__name__}); take a fresh copy") from None


def _encode(text: str, encoding: str) -> bytes:
    # What Python 3 writes for bytes at protocol 2; other codecs (zlib, rot13) have no place in it.
    if encoding not in {"latin1", "latin-1"}:
        raise _RefusedError(f"_codecs.encode with '{encoding}'")
    return text.encode("latin1")


# numpy's own function for an empty array, by the public way to it: its module differs between versions.
_RECONSTRUCT: Callable[..., object] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
_ADMITTED: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:  # noqa: ANN401
        try:
            return _ADMITTED[module_name, global_name]
        except KeyError:
            raise _RefusedError(f"{module_name}.{global_name}") from None
