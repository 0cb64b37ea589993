"""Whether a foreign pickle is whole, told without running anything it names."""

import pickletools
from pathlib import Path

PARTS = 4  # torch's legacy format: three pickles about itself, then the object


def ends_whole(path: Path) -> bool:
    """Whether the pickles at the start of a file end as pickles do.

    A pickle names a class by a line of text. Where a file was cut inside that line, what reads it meets a name
    that nobody knows, which looks like a class that would have to be run and is only damage.

    Args:
        path: a file that begins with a pickle; at most four of those that follow each other are looked at.

    Returns:
        Whether each of them has its end; False if there is none.
    """
    with path.open("rb") as file:
        for number in range(PARTS):
            if number and not file.peek(1):
                return True
            try:
                for _ in pickletools.genops(file):
                    pass
            except Exception:  # cut arguments fail in many ways
                return False
    return True
