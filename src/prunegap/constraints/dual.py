"""One constrained step: measure, ascend in the multipliers, weigh the examples ("Balancing Act", Algorithm 2).

Alternating updates, dual first: the primal gradient uses the NEW multipliers on the same forward pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from prunegap.constraints.controllers import GradientAscent, MakeController
from prunegap.constraints.formulation import (
    BatchLoss,
    ConstrainedMethod,
    DenseReference,
    FormulationSettings,
    Measured,
)
from prunegap.constraints.measures import Examples, Measure
from prunegap.constraints.replay_buffer import ReplayBuffers
from prunegap.errors import UserError
from prunegap.shapes import ConstraintFloats, ExampleBools, ExampleFloats, ExampleInts, GroupFloats, Scalar

OverallEstimate = Literal["share", "balanced"]


@dataclass(frozen=True)
class DualSettings:
    """Settings of the dual side.

    Attributes:
        step_size: dual step size.
        capacity: replay-buffer capacity k, for methods that use buffers.
        overall_estimate: ``share`` weighs the groups' buffer means by their share of the training set;
            ``balanced`` is their plain mean, as in the authors' published code.
        controller: makes what moves the multipliers, from the step size.
    """

    step_size: float
    capacity: int
    overall_estimate: OverallEstimate = "share"
    controller: MakeController = GradientAscent


class DualState:
    """Replay buffers and multipliers of one run, and the step that moves them."""

    def __init__(
        self,
        method: ConstrainedMethod,
        formulation: FormulationSettings,
        settings: DualSettings,
        reference: DenseReference,
        group_names: Sequence[str],
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.formulation = method.formulation(formulation)
        self.settings = settings
        self.controller = settings.controller(settings.step_size)
        self.names = list(self.formulation.names(group_names))
        self._measure = _checked(self.formulation.measures, type(self.formulation).__name__)
        dense, count = reference.of(self._measure)
        if self._measure.partial and (count == 0).any():
            missing = group_names[int((count == 0).nonzero()[0])]
            raise UserError(
                f"method '{method.name}' measures {self._measure.name}, and group '{missing}' has no example on train "
                "that counts for it; leave the group out (prepare_data.drop_groups) or take a coarser group_by"
            )
        self._dense = dense.to(dtype)
        self._dense_correct = None if reference.examples is None else reference.examples.given_dense_correct
        device = self._dense.device
        self._share = count.to(dtype) / count.sum()
        self._num_groups = len(reference.group_count)
        self.multipliers = torch.zeros(len(self.names), dtype=dtype, device=device)
        self.violations = torch.full_like(self.multipliers, torch.nan)
        self.buffers = (
            ReplayBuffers(self._num_groups, settings.capacity, dtype=dtype, device=device) if method.buffers else None
        )

    def step(
        self,
        loss: ExampleFloats,
        correct: ExampleBools,
        groups: ExampleInts,
        *,
        labels: ExampleInts | None = None,
        index: ExampleInts | None = None,
    ) -> ExampleFloats:
        """Take one dual step and return the weight of each example's loss in the primal objective.

        Args:
            loss: per-example losses of the batch, detached.
            correct: per-example correctness.
            groups: group of each example.
            labels: class of each example; some measures need it.
            index: place of each example in the training set; measures that compare each with the dense model need it.

        Returns:
            Weights w such that ``(w * loss).sum()`` is the objective plus the weighted surrogates; they are
            negative for some examples once the multipliers of the groups in the batch sum above 1.
        """
        dense_correct = None if index is None or self._dense_correct is None else self._dense_correct[index]
        values = self._measure.of(Examples(loss, correct, labels, dense_correct))
        counted = (~values.isnan()).to(loss.dtype) if self._measure.partial else torch.ones_like(loss)
        counts = _sum_by_group(counted, groups, self._num_groups)
        measured = self._of_batch(values, groups, counts) if self.buffers is None else self._of_buffers(values, groups)
        self.violations = self.formulation.violation(measured)
        self.multipliers = self.formulation.project(self._ascend())
        coefficients = self._coefficients(loss * counted if self._measure.partial else loss, groups, counts)
        return example_weights(coefficients, groups, counts, counted if self._measure.partial else None)

    def _ascend(self) -> ConstraintFloats:
        ascended = self.controller.ascend(self.multipliers, self.violations)
        if ascended.shape != self.multipliers.shape:
            raise UserError(
                f"controller {type(self.controller).__name__} must return a multiplier for each of the "
                f"{len(self.names)} constraints, it returned shape {list(ascended.shape)}; correct its package"
            )
        return ascended

    def _of_buffers(self, values: ExampleFloats, groups: ExampleInts) -> Measured:
        assert self.buffers is not None
        self.buffers.push(groups, values)
        sparse = self.buffers.means()
        seen = ~sparse.isnan()
        if self.settings.overall_estimate == "balanced":
            overall = sparse.nanmean()
            dense_overall = (self._share * self._dense.nan_to_num()).sum()
        else:
            share = self._share * seen / (self._share * seen).sum()
            overall = (share * sparse.nan_to_num()).sum()
            dense_overall = (share * self._dense.nan_to_num()).sum()
        return Measured(sparse, overall, self._dense, dense_overall)

    def _of_batch(self, values: ExampleFloats, groups: ExampleInts, counts: GroupFloats) -> Measured:
        known, overall = (
            (values.nan_to_num(nan=0.0), values.nanmean()) if self._measure.partial else (values, values.mean())
        )
        sparse = _sum_by_group(known, groups, self._num_groups) / counts  # 0 / 0 = NaN: not observed
        return Measured(sparse, overall, self._dense, (self._share * self._dense.nan_to_num()).sum())

    def _coefficients(self, loss: ExampleFloats, groups: ExampleInts, counts: GroupFloats) -> GroupFloats:
        group_loss = _sum_by_group(loss, groups, self._num_groups) / counts.clamp(min=1)
        overall = loss.sum() / counts.sum().clamp(min=1) if self._measure.partial else loss.mean()
        return self.formulation.group_coefficients(self.multipliers, BatchLoss(group_loss, overall, counts > 0))

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs."""
        state: dict[str, Any] = {
            "multipliers": self.multipliers,
            "violations": self.violations,
            "controller": self.controller.state_dict(),
        }
        return state if self.buffers is None else state | {"buffers": self.buffers.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of :meth:`state_dict`."""
        self.multipliers = state["multipliers"].to(self.multipliers)
        self.violations = state["violations"].to(self.violations)
        self.controller.load_state_dict(state["controller"])
        if self.buffers is not None:
            self.buffers.load_state_dict(state["buffers"])


def example_weights(
    coefficients: GroupFloats, groups: ExampleInts, counts: GroupFloats, counted: ExampleFloats | None = None
) -> ExampleFloats:
    """Return per-example weights of ``L_B + sum over groups in the batch of c[g] * (l_B[g] - L_B)``.

    ``w[i] = (1 - sum of c over the groups in the batch) / |B| + c[g_i] / n_B[g_i]``. Where only some examples are
    measured, the sum compares the mean losses of these, and the others have the weight of ``L_B`` alone.

    Args:
        coefficients: c, one a group.
        groups: group of each example of the batch.
        counts: number of (measured) examples of each group in the batch, n_B.
        counted: 1 for an example that is measured, 0 for others; None: all are.
    """
    in_batch = (coefficients * (counts > 0)).sum()
    per_group = (coefficients / counts.clamp(min=1))[groups]
    if counted is None:
        return (1 - in_batch) / len(groups) + per_group
    return 1 / len(groups) + counted * (per_group - in_batch / counts.sum().clamp(min=1))


def _checked(measure: Any, formulation: str) -> Measure:  # noqa: ANN401 - a package's own may give anything
    if not isinstance(measure, Measure):
        raise UserError(
            f"formulation {formulation}: measures must be a Measure, such as ACCURACY of "
            f"prunegap.constraints.measures, got {measure!r}; correct its package"
        )
    return measure


def _sum_by_group(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    # index_add_, not bincount: bincount synchronises with the host on a GPU
    return torch.zeros(num_groups, dtype=values.dtype, device=values.device).index_add_(0, groups, values)


def overall_constraint(values: ConstraintFloats) -> Scalar:
    """Largest observed value over all constraints; NaN if none was observed."""
    observed = values.nan_to_num(nan=-torch.inf)
    return observed.max().masked_fill(values.isnan().all(), torch.nan)
