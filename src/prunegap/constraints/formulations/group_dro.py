"""Group DRO: the largest of the groups' losses is made small (Sagawa et al. 2020, Eq. 4 and Algorithm 1).

problem     min over the model, max over q in the simplex, of sum_g q[g] L[g]
measured    l_B[g], the batch's mean loss of the group; a group that is not in the batch counts as 0, as in their code
update      q[g] <- q[g] exp(dual_step_size * l_B[g]), then scaled to sum 1 (exponentiated gradient)
surrogate   sum over groups in the batch of q[g] l_B[g]; the weight of absent groups goes to the batch's mean loss,
            where their code leaves it out: a step is as long whichever groups it sees
multipliers log q[g], in which that ascent is a plain gradient step: nothing underflows
"""

from collections.abc import Sequence

from prunegap.constraints.formulation import BatchLoss, FormulationSettings, Measured, method
from prunegap.constraints.measures import LOSS, Measure
from prunegap.shapes import ConstraintFloats, GroupFloats


@method(
    "group_dro",
    buffers=False,
    summary="Fine-tuning on the worst of the groups' losses, by weights that follow them (group DRO).",
)
class GroupDro:
    """A weight a group; there is no tolerance, and what is called violation is the group's loss."""

    measures: Measure = LOSS
    needs_dense: bool = False

    def __init__(self, settings: FormulationSettings) -> None:
        """Depend on no setting."""

    def names(self, group_names: Sequence[str]) -> Sequence[str]:
        """One weight a group."""
        return group_names

    def violation(self, measured: Measured) -> ConstraintFloats:
        """Mean loss of the group in the batch, in nats."""
        return measured.sparse

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:  # noqa: ARG002
        """The weights q."""
        return multipliers.exp()

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        """Onto logarithms of weights that sum to 1."""
        return multipliers.log_softmax(dim=0)
