"""The command line: ``prunegap run``, ``show``, ``ui``, ``upload``, and a command a stage."""

import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> None:
    """Run the command line; an interrupt ends it in one line, even while it is still loading."""
    # The first process of a container ignores SIGTERM until it says otherwise, and loading takes seconds.
    signal.signal(signal.SIGTERM, _end)
    try:
        from prunegap.cli.entry import enter

        enter()
    except KeyboardInterrupt:
        sys.exit(130)


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.stderr.write("stopped before anything began\n")
    sys.exit(143)
