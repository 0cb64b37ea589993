"""The experiment, and the one function that wires the stages of a run over a :class:`Runner`."""

from prunegap.pipeline.experiment import SHARED, STAGES, Experiment, Level
from prunegap.pipeline.wiring import Runner, prune_and_compare

__all__ = ["SHARED", "STAGES", "Experiment", "Level", "Runner", "prune_and_compare"]
