"""Prune a classifier and bound what pruning costs each group in accuracy."""

__version__ = "0.1.0"
