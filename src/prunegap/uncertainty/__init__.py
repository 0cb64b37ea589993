"""How sure a figure of harm is: limits, bounds, noise floor, verdict and planning, from three counts a group.

Nothing here knows how a model was compressed, nor needs it: two columns of correctness and the groups are enough.
"""

from prunegap.uncertainty.audit import Audit, GroupAudit, Rules, audit_groups
from prunegap.uncertainty.bounds import (
    Bound,
    Bounds,
    largest_difference,
    largest_differences,
    max_excess_gap,
    max_excess_gaps,
)
from prunegap.uncertainty.counts import PairedCounts
from prunegap.uncertainty.excess_gaps import Limits, excess_gap_limits, gap_limits, simultaneous_limits
from prunegap.uncertainty.fixed_sequence import sparsest_admissible
from prunegap.uncertainty.noise_floor import NoiseFloor, noise_floors
from prunegap.uncertainty.over_seeds import kept_image_variance, over_seeds
from prunegap.uncertainty.planning import Churn, churn_between, examples_for, tolerances_for
from prunegap.uncertainty.proportions import as_gains_of_nothing, share_limits
from prunegap.uncertainty.rank_correlation import RankCorrelation, rank_correlation
from prunegap.uncertainty.tally import Tally
from prunegap.uncertainty.verdict import Verdict, judge

__all__ = [
    "Audit",
    "Bound",
    "Bounds",
    "Churn",
    "GroupAudit",
    "Limits",
    "NoiseFloor",
    "PairedCounts",
    "RankCorrelation",
    "Rules",
    "Tally",
    "Verdict",
    "as_gains_of_nothing",
    "audit_groups",
    "churn_between",
    "examples_for",
    "excess_gap_limits",
    "gap_limits",
    "judge",
    "kept_image_variance",
    "largest_difference",
    "largest_differences",
    "max_excess_gap",
    "max_excess_gaps",
    "noise_floors",
    "over_seeds",
    "rank_correlation",
    "share_limits",
    "simultaneous_limits",
    "sparsest_admissible",
    "tolerances_for",
]
