"""Shapes are checked in every test: jaxtyping's annotations by beartype, over the numerical core."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

from jaxtyping import install_import_hook

CORE = ["gaps", "data", "constraints", "pruning", "training", "models"]
install_import_hook([f"prunegap.{floor}" for floor in CORE], "beartype.beartype")
