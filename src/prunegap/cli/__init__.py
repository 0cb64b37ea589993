"""The command line: ``prunegap run``, ``show``, ``ui``, ``upload``, and a command a stage."""

import signal
import sys


def main() -> None:
    """Run the command line; an interrupt ends it quietly, even while it is still loading."""
    # The first process of a container ignores SIGTERM until it says otherwise, and loading takes seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        from prunegap.cli.entry import enter

        enter()
    except KeyboardInterrupt:
        sys.exit(130)
