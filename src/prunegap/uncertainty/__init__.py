"""How sure a figure of harm is: limits, bounds, noise floor, verdict and planning, from three counts a group.

Nothing here knows how a model was compressed, nor needs it: two columns of correctness and the groups are enough.
"""

from prunegap.uncertainty.audit import Audit, GroupAudit, Rules, audit_groups
from prunegap.uncertainty.bounds import Bound, largest_difference, max_excess_gap
from prunegap.uncertainty.counts import PairedCounts
from prunegap.uncertainty.excess_gaps import Limits, excess_gap_limits, gap_limits, simultaneous_limits
from prunegap.uncertainty.noise_floor import NoiseFloor, noise_floors
from prunegap.uncertainty.planning import examples_for, tolerances_for
from prunegap.uncertainty.proportions import as_gains_of_nothing, share_limits
from prunegap.uncertainty.tally import Tally
from prunegap.uncertainty.verdict import Verdict, judge

__all__ = [
    "Audit",
    "Bound",
    "GroupAudit",
    "Limits",
    "NoiseFloor",
    "PairedCounts",
    "Rules",
    "Tally",
    "Verdict",
    "as_gains_of_nothing",
    "audit_groups",
    "examples_for",
    "excess_gap_limits",
    "gap_limits",
    "judge",
    "largest_difference",
    "max_excess_gap",
    "noise_floors",
    "share_limits",
    "simultaneous_limits",
    "tolerances_for",
]
