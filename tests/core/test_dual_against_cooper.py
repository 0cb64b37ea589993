"""Truth: cooper, the library the method was published with, on the same random problem with proxy constraints."""

# pyright: reportPrivateImportUsage=false

from collections import deque
from dataclasses import dataclass

import cooper
import pytest
import torch
from core.dual_setup import dual_state
from torch import Tensor
from torch.nn import functional

GROUPS, CLASSES, FEATURES, CAPACITY = 3, 4, 6, 3
COUNTS, DENSE_ACCURACY, DENSE_LOSS = [50, 30, 20], [0.9, 0.6, 0.8], [0.2, 0.9, 0.4]
DUAL_STEP, TOLERANCE = 0.3, 0.02


@dataclass(frozen=True)
class Drawn:
    inputs: Tensor
    labels: Tensor
    groups: Tensor


def draw(steps: int) -> list[Drawn]:
    """Small batches, so that groups are often absent; group 2 is the hardest to get right."""
    generator = torch.Generator().manual_seed(7)
    batches = []
    for _ in range(steps):
        groups = torch.randint(GROUPS, (4,), generator=generator)
        inputs = torch.randn(4, FEATURES, generator=generator, dtype=torch.float64)
        noise = torch.randint(CLASSES, (4,), generator=generator)
        labels = torch.where(groups == 2, noise, inputs[:, :CLASSES].argmax(1))
        batches.append(Drawn(inputs, labels, groups))
    return batches


def forward(parameter: Tensor, batch: Drawn) -> tuple[Tensor, Tensor]:
    logits = functional.linear(batch.inputs, parameter)
    return functional.cross_entropy(logits, batch.labels, reduction="none"), logits.detach().argmax(1) == batch.labels


class Problem(cooper.ConstrainedMinimizationProblem):
    def __init__(self, parameter: Tensor, method: str, equality: str) -> None:
        super().__init__()
        self.parameter, self.method, self.equality = parameter, method, equality
        self.queues = [deque[float](maxlen=CAPACITY) for _ in range(GROUPS)]
        equal = method.startswith("el") or method == "equal_eag"
        kind = cooper.ConstraintType.EQUALITY if equal else cooper.ConstraintType.INEQUALITY
        count = 2 * GROUPS if method == "two_sided_eag" else GROUPS
        multiplier = cooper.multipliers.DenseMultiplier(num_constraints=count, dtype=torch.float64)
        self.disparity = cooper.Constraint(kind, cooper.formulations.Lagrangian, multiplier)

    def estimates(self, values: list[float], groups: list[int]) -> tuple[dict[int, float], dict[int, float]]:
        """Return each observed group's mean, and the weight of each group in the overall estimate."""
        if self.method in {"el", "ceag_no_rb"}:
            held = {g: [v for v, h in zip(values, groups, strict=True) if h == g] for g in range(GROUPS)}
            weight = {g: len(held[g]) / len(values) for g in held if held[g]}
        else:
            for group, value in zip(groups, values, strict=True):
                self.queues[group].append(value)
            held = {g: list(queue) for g, queue in enumerate(self.queues) if len(queue) == CAPACITY}
            weight = {g: COUNTS[g] / sum(COUNTS[h] for h in held) for g in held}
        return {g: sum(held[g]) / len(held[g]) for g in weight}, weight

    def measured(self, values: list[float], groups: list[int]) -> Tensor:
        means, weight = self.estimates(values, groups)
        overall = sum(weight[g] * means[g] for g in means)
        share = {g: COUNTS[g] / sum(COUNTS) for g in range(GROUPS)} if self.method == "ceag_no_rb" else weight
        of_dense = DENSE_LOSS if self.method == "celg" else DENSE_ACCURACY
        dense = sum(share[g] * of_dense[g] for g in share)
        violation = torch.zeros(2 * GROUPS, dtype=torch.float64)
        for g, value in means.items():
            psi = (of_dense[g] - value) - (dense - overall)
            if self.method.startswith("el"):
                violation[g] = abs(value - overall) if self.equality == "absolute" else value - overall
            elif self.method == "equal_eag":
                violation[g] = psi
            else:
                violation[g] = (-psi if self.method == "celg" else psi) - TOLERANCE
                violation[GROUPS + g] = -psi - TOLERANCE
        return violation if self.method == "two_sided_eag" else violation[:GROUPS]

    def surrogate(self, loss: Tensor, groups: Tensor) -> Tensor:
        rows = []
        for g in range(GROUPS):
            present = groups == g
            row = loss[present].mean() - loss.mean() if present.any() else loss.sum() * 0
            if not self.method.startswith("el") and present.any():
                row = row - DENSE_LOSS[g] + 0.45
            rows.append(row.abs() if self.equality == "absolute" else row)
        stacked = torch.stack(rows)
        return torch.cat([stacked, -stacked]) if self.method == "two_sided_eag" else stacked

    def compute_cmp_state(self, batch: Drawn) -> cooper.CMPState:
        loss, correct = forward(self.parameter, batch)
        values = loss.detach() if self.method.startswith("el") or self.method == "celg" else correct.double()
        state = cooper.ConstraintState(
            violation=self.surrogate(loss, batch.groups),
            strict_violation=self.measured(values.tolist(), batch.groups.tolist()),
        )
        return cooper.CMPState(loss=loss.mean(), observed_constraints={self.disparity: state})


def sgd(parameter: Tensor) -> torch.optim.SGD:
    return torch.optim.SGD([parameter], lr=0.2, momentum=0.9, weight_decay=1e-3)


@pytest.mark.parametrize(
    ("method", "equality"),
    [
        ("ceag", "signed"), ("ceag_no_rb", "signed"), ("el", "signed"), ("el", "absolute"),
        ("el_rb", "signed"), ("el_rb", "absolute"), ("celg", "signed"), ("equal_eag", "signed"),
        ("two_sided_eag", "signed"),
    ],
)  # fmt: skip
def test_fifty_steps_agree_with_cooper(method, equality):
    ours = torch.zeros(CLASSES, FEATURES, dtype=torch.float64, requires_grad=True)
    theirs = torch.nn.Parameter(torch.zeros(CLASSES, FEATURES, dtype=torch.float64))
    dual = dual_state(
        method, COUNTS, DENSE_ACCURACY, DENSE_LOSS,
        step_size=DUAL_STEP, capacity=CAPACITY, tolerance=TOLERANCE, equality=equality,
    )  # fmt: skip
    problem = Problem(theirs, method, equality)
    optimizer = cooper.optim.AlternatingDualPrimalOptimizer(
        problem, sgd(theirs), torch.optim.SGD(problem.dual_parameters(), lr=DUAL_STEP, maximize=True)
    )
    primal = sgd(ours)
    largest = torch.zeros(len(dual.names), dtype=torch.float64)
    for batch in draw(50):
        optimizer.roll(compute_cmp_state_kwargs={"batch": batch})
        primal.zero_grad()
        loss, correct = forward(ours, batch)
        torch.dot(dual.step(loss.detach(), correct, batch.groups), loss).backward()
        primal.step()
        multiplier = problem.disparity.multiplier
        assert multiplier is not None
        torch.testing.assert_close(dual.multipliers, multiplier().detach(), atol=1e-10, rtol=0)
        torch.testing.assert_close(ours.detach(), theirs.detach(), atol=1e-10, rtol=0)
        largest = torch.maximum(largest, dual.multipliers.abs())
    assert (largest > 0.01).sum() >= 2, "multipliers hardly moved: the comparison would say little"
