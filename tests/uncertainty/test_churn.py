"""Truth: binomial tails by scipy, and the rule of three."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from prunegap.uncertainty import Churn, churn_between


def test_the_limits_are_where_the_binomial_tails_are_half_of_alpha() -> None:
    first, second = np.zeros(80, int), np.zeros(80, int)
    first[:7], second[4:12] = 1, 1  # 4 that the first alone has right, 5 the second
    for alpha in (0.05, 0.2):
        found = churn_between(first, second, alpha=alpha)
        assert (found.value, found.examples) == (9 / 80, 80)
        assert binom.sf(8, 80, found.low) == pytest.approx(alpha / 2)
        assert binom.cdf(9, 80, found.high) == pytest.approx(alpha / 2)


def test_models_that_agree_everywhere_may_still_differ_and_those_that_never_do_may_agree() -> None:
    right = [True] * 100
    agree = churn_between(right, right, alpha=0.1)
    assert (agree.value, agree.low) == (0, 0)
    assert agree.high == pytest.approx(3 / 100, rel=0.02)
    never = churn_between(right, [False] * 100, alpha=0.1)
    assert never == Churn(1.0, never.low, 1.0, 100)
    assert never.low == pytest.approx(1 - agree.high)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"second": [1, 0, 1]}, r"of the same examples, one or more, got \(2,\), \(3,\)"),
        ({"first": [], "second": []}, r"one or more, got \(0,\)"),
        ({"first": [[1, 0]], "second": [[1, 0]]}, r"got \(1, 2\)"),
        ({"alpha": 0.0}, r"alpha must be inside \(0, 1\), got 0.0"),
    ],
)
def test_what_has_no_churn_is_refused(changes: dict[str, Any], rule: str) -> None:
    given: dict[str, Any] = {"first": [1, 0], "second": [1, 1]} | changes
    with pytest.raises(ValueError, match=rule):
        churn_between(**given)
