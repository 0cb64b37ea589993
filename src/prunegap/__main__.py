"""``python -m prunegap``."""

from prunegap.cli import main

main()
