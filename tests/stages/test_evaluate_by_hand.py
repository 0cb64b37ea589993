"""Truth: the definitions, at the very tolerance a model reaches."""

import math

import pytest
from stages import tiny_values as given

from prunegap.stages.evaluate import EvaluateParams, evaluate


def verdicts(tolerance: float) -> dict[str, bool]:
    params = EvaluateParams(tolerance=tolerance)
    made = evaluate(params, given.dataset(), given.baseline(), given.finetuned_model())
    assert made.tolerance == tolerance
    return {name: split.feasible for name, split in made.splits.items()}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_model_is_feasible_at_exactly_the_tolerance_and_not_below(split: str):
    made = evaluate(EvaluateParams(), given.dataset(), given.baseline(), given.finetuned_model())
    reached = made.splits[split].value("max_psi") or 0
    assert reached > 0
    assert verdicts(reached)[split]
    assert not verdicts(math.nextafter(reached, 0))[split]


def test_an_evaluation_shows_every_group_of_every_split():
    table = evaluate(EvaluateParams(), given.dataset(), given.baseline(), given.finetuned_model()).table
    headings = [line for line in table.splitlines() if line.startswith("## ")]
    assert headings == ["## train", "## validation", "## test"]
    parts = table.split("## ")[1:]
    assert all(name in part for part in parts for name in given.GROUPS)
