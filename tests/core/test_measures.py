"""What a formulation may measure. Truth: a loop over the examples, and the gradient of the objective as written."""

import math
from typing import Any

import pytest
import torch
from core.dual_setup import dual_state
from core.outside_package import installed
from stages import tiny_values as given

from prunegap.constraints.dual import DualSettings, DualState, example_weights
from prunegap.constraints.formulation import ConstrainedMethod, DenseReference, FormulationSettings
from prunegap.constraints.formulations.excess_accuracy_gaps import ExcessAccuracyGaps
from prunegap.constraints.measures import ACCURACY, CHURN, CONFIDENCE, LOSS, Examples, true_positive_rate
from prunegap.errors import UserError

LOSSES = torch.tensor([0.1, 0.7, 1.2, 0.3, 2.0, 0.9], dtype=torch.float64)
CORRECT = torch.tensor([True, False, False, True, False, True])
LABELS = torch.tensor([1, 0, 1, 1, 1, 0])
DENSE = torch.tensor([True, True, False, False, False, True])
GROUPS = torch.tensor([0, 0, 0, 1, 1, 1])


def measuring(measure: Any) -> ConstrainedMethod:
    class Measuring(ExcessAccuracyGaps):
        measures = measure

    return ConstrainedMethod("measuring", Measuring, buffers=True)


def state(measure: Any, *, capacity: int = 2, buffers: bool = True, examples: Examples | None = None) -> DualState:
    dense = examples or Examples(torch.zeros(6, dtype=torch.float64), DENSE, LABELS, DENSE)
    means = torch.tensor([2 / 3, 1 / 3], dtype=torch.float64)
    reference = DenseReference(means, torch.zeros_like(means), torch.tensor([3, 3]), dense, GROUPS)
    method = measuring(measure)
    return DualState(
        ConstrainedMethod(method.name, method.formulation, buffers=buffers),
        FormulationSettings(0.0), DualSettings(0.5, capacity), reference, ["a", "b"], dtype=torch.float64,
    )  # fmt: skip


def test_each_measure_is_what_its_name_says():
    seen = Examples(LOSSES, CORRECT, LABELS, DENSE)
    assert ACCURACY.of(seen).tolist() == [1, 0, 0, 1, 0, 1]
    assert CHURN.of(seen).tolist() == [0, 1, 0, 1, 0, 0]
    assert LOSS.of(seen).tolist() == LOSSES.tolist()
    assert CONFIDENCE.of(seen).tolist() == pytest.approx([math.exp(-loss) for loss in LOSSES.tolist()])
    rate = true_positive_rate(1).of(seen).tolist()
    assert [None if math.isnan(value) else value for value in rate] == [1, None, 0, 1, 0, None]


@pytest.mark.parametrize("buffers", [True, False])
def test_a_true_positive_rate_is_measured_over_the_positives_alone(buffers):
    dual = state(true_positive_rate(1), buffers=buffers)
    dual.step(LOSSES, CORRECT, GROUPS, labels=LABELS, index=torch.arange(6))
    dense, sparse = [1 / 2, 0 / 2], [1 / 2, 1 / 2]  # of two positives each, who are half of all positives each
    overall = sum(dense) / 2 - sum(sparse) / 2
    assert dual.violations.tolist() == pytest.approx([d - s - overall for d, s in zip(dense, sparse, strict=True)])


def test_an_example_that_does_not_count_enters_no_buffer_and_pushes_none_out():
    dual = state(true_positive_rate(1), capacity=3)
    dual.step(LOSSES, CORRECT, GROUPS, labels=LABELS, index=torch.arange(6))
    assert dual.violations.isnan().all()  # two of three
    dual.step(LOSSES[:2], ~CORRECT[:2], GROUPS[:2], labels=LABELS[:2], index=torch.arange(2))
    assert dual.buffers is not None
    assert dual.buffers.contents(0).tolist() == [1, 0, 0]
    assert dual.buffers.contents(1).tolist() == [1, 0]


def test_churn_compares_each_example_with_the_dense_model_s_own_answer_to_it():
    dual = state(CHURN, buffers=False)
    order = torch.tensor([5, 1, 3, 0, 4, 2])
    dual.step(LOSSES[order], CORRECT[order], GROUPS[order], index=order)
    assert dual.violations.tolist() == pytest.approx([-(1 / 3) + 1 / 3] * 2)  # one of three in both groups
    dual.step(LOSSES[:3], CORRECT[:3], GROUPS[:3], index=torch.arange(3, 6))
    churned = sum(bool(CORRECT[i]) != bool(DENSE[i + 3]) for i in range(3))
    assert dual.violations[0] == pytest.approx(-churned / 3 + churned / 3)


def test_weights_follow_the_surrogate_over_the_examples_that_count():
    loss = LOSSES.clone().requires_grad_()
    coefficients, counted = torch.tensor([0.4, -0.9], dtype=torch.float64), LABELS == 1
    means = [loss[counted & (g == GROUPS)].mean() for g in range(2)]
    objective = loss.mean() + sum(
        c * (mean - loss[counted].mean()) for c, mean in zip(coefficients, means, strict=True)
    )
    (wanted,) = torch.autograd.grad(objective, loss)
    counts = torch.tensor([2.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(example_weights(coefficients, GROUPS, counts, counted.double()), wanted)
    all_count = example_weights(coefficients, GROUPS, counts + 1, torch.ones_like(loss))
    torch.testing.assert_close(all_count, example_weights(coefficients, GROUPS, counts + 1))


def test_what_is_not_known_is_asked_for_by_name():
    with pytest.raises(UserError, match=r"measures the class of each example, which is not known here .* 'labels'"):
        state(true_positive_rate(1)).step(LOSSES, CORRECT, GROUPS)
    with pytest.raises(UserError, match=r"measures what the dense model does with each example, .* 'index'"):
        state(CHURN).step(LOSSES, CORRECT, GROUPS, labels=LABELS)
    with pytest.raises(UserError, match=r"confidence is measured, and of the dense model only .* give DenseReference"):
        dual_state(measuring(CONFIDENCE), [3, 3])
    with pytest.raises(UserError, match=r"class 7, and group 'a' has no example on train that counts for it; leave"):
        state(true_positive_rate(7))
    with pytest.raises(UserError, match=r"Measuring: measures must be a Measure, such as ACCURACY of .*, got 'churn'"):
        state("churn")


# The whole of a package of one's own: no group's predictions may change more often than the average's.
STEADY = '''
"""Churn of no group above the churn of all by more than the tolerance."""

from prunegap.constraints.formulation import method
from prunegap.constraints.measures import CHURN


@method("steady", buffers=True, summary="Fine-tuning with every group's churn near that of all.")
class Steady:
    measures = CHURN

    def __init__(self, settings):
        self.tolerance = settings.tolerance

    def names(self, group_names):
        return group_names

    def violation(self, measured):
        return measured.sparse - measured.sparse_overall - self.tolerance

    def group_coefficients(self, multipliers, batch):
        return multipliers

    def project(self, multipliers):
        return multipliers.clamp(min=0)
'''
POINTS = {"formulations": {"steady": "steady_groups"}}


def test_a_package_of_one_file_constrains_what_it_likes(tmp_path):
    assert len(STEADY.strip().splitlines()) + 2 <= 40  # and its entry point
    with installed(tmp_path, "steady_groups", STEADY, POINTS):
        made = given.finetuned(given.sparse_model(), method="steady", tolerance=0.0, buffer_size=4, dual_step_size=0.1)
    assert (made.history.measures, made.history.unit) == ("churn", "fraction")
    violations = [value for entry in made.history.epochs for value in entry.violations.values() if value is not None]
    assert any(violations)
    assert any(value > 0 for entry in made.history.epochs for value in entry.multipliers.values())
