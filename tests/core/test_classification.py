"""Confusion and ROC of a split. Truth: scikit-learn on probabilities, of which the code is given the losses alone."""

import numpy as np
import pytest
import torch
from sklearn.metrics import auc, confusion_matrix, roc_curve

from prunegap.gaps import Outcomes, classification
from prunegap.gaps.classification import MOST_POINTS


def judged(logits, labels):
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    predicted = logits.argmax(1)
    return Outcomes(predicted, loss, predicted == labels)


def two_classes(examples, seed=0, digits=None):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (examples,), generator=generator)
    logits = torch.randn(examples, 2, generator=generator) + torch.nn.functional.one_hot(labels, 2) * 1.5
    logits = logits if digits is None else (logits * 10**digits).round() / 10**digits
    return logits, labels


def test_a_row_is_the_true_class_and_a_column_the_predicted_one():
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(4, (200,), generator=generator)
    logits = torch.randn(200, 5, generator=generator)
    found = classification(judged(logits, labels), labels, ["a", "b", "c", "d", "e"])
    assert found.classes == ("a", "b", "c", "d", "e")
    expected = confusion_matrix(labels.numpy(), logits.argmax(1).numpy(), labels=range(5))
    np.testing.assert_array_equal(found.confusion, expected)
    assert {type(cell) for row in found.confusion for cell in row} == {int}
    assert found.roc == (), "more than two classes"


@pytest.mark.parametrize("digits", [None, 0], ids=["all scores differ", "many scores are equal"])
def test_the_curve_is_that_of_the_second_class_probability(digits):
    logits, labels = two_classes(60, digits=digits)
    found = classification(judged(logits, labels), labels, ["no", "yes"]).roc
    scores = logits.softmax(1)[:, 1].double().numpy()
    if digits is not None:
        scores = scores.round(6)
    false, true, _ = roc_curve(labels.numpy(), scores, drop_intermediate=False)
    np.testing.assert_allclose([p.false_positive_rate for p in found][1:-1], false[1:-1], atol=1e-12)
    np.testing.assert_allclose([p.true_positive_rate for p in found][1:-1], true[1:-1], atol=1e-12)
    assert (found[0].false_positive_rate, found[0].true_positive_rate) == (0.0, 0.0)
    assert (found[-1].false_positive_rate, found[-1].true_positive_rate) == (1.0, 1.0)
    thresholds = [point.threshold for point in found]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(np.isfinite(thresholds))
    assert found[0].threshold > 1


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_area():
    logits, labels = two_classes(5000)
    found = classification(judged(logits, labels), labels, ["no", "yes"]).roc
    assert len(found) == MOST_POINTS
    assert (found[0].true_positive_rate, found[-1].true_positive_rate) == (0.0, 1.0)
    false, true, _ = roc_curve(labels.numpy(), logits.softmax(1)[:, 1].numpy())
    area = auc([p.false_positive_rate for p in found], [p.true_positive_rate for p in found])
    assert abs(area - auc(false, true)) < 1e-3


@pytest.mark.parametrize("broken", ["one class", "no number"])
def test_where_no_curve_can_be_there_is_none(broken):
    logits, labels = two_classes(20)
    if broken == "one class":
        labels = torch.zeros_like(labels)
    else:
        logits[3] = float("nan")
    assert classification(judged(logits, labels), labels, ["no", "yes"]).roc == ()
