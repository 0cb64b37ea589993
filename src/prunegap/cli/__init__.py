"""The command line: ``prunegap run``, ``show``, ``ui``, ``upload``, and a command a stage."""

from prunegap.cli.entry import main

__all__ = ["main"]
