"""The command line: ``prunegap run``, ``show``, ``ui``, ``upload``, and a command a stage."""

import sys


def main() -> None:
    """Run the command line; an interrupt ends it quietly, even while it is still loading."""
    try:
        from prunegap.cli.entry import enter

        enter()
    except KeyboardInterrupt:
        sys.exit(130)
