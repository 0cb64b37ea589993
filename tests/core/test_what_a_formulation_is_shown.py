"""Truth: the batch itself, which a formulation is shown by group."""

from collections.abc import Sequence

import torch
from core.dual_setup import dual_state

from prunegap.constraints.formulation import BatchLoss, ConstrainedMethod, FormulationSettings, Measured
from prunegap.constraints.measures import LOSS
from prunegap.shapes import ConstraintFloats, GroupFloats

SHOWN: list[BatchLoss] = []


class Listening:
    measures = LOSS

    def __init__(self, settings: FormulationSettings) -> None:
        pass

    def names(self, group_names: Sequence[str]) -> Sequence[str]:
        return group_names

    def violation(self, measured: Measured) -> ConstraintFloats:
        return measured.sparse

    def group_coefficients(self, multipliers: ConstraintFloats, batch: BatchLoss) -> GroupFloats:
        SHOWN.append(batch)
        return multipliers

    def project(self, multipliers: ConstraintFloats) -> ConstraintFloats:
        return multipliers


def test_a_formulation_is_shown_each_group_of_the_batch_and_which_are_absent():
    dual = dual_state(ConstrainedMethod("listening", Listening, buffers=False), [4, 4, 4])
    loss = torch.tensor([1.0, 3.0, 5.0], dtype=torch.float64)
    dual.step(loss, torch.tensor([True, False, True]), torch.tensor([0, 0, 2]))
    batch = SHOWN.pop()
    assert batch.group.tolist() == [2.0, 0.0, 5.0]
    assert batch.present.tolist() == [True, False, True]
    assert float(batch.overall) == 3.0
