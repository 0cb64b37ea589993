"""Examples that pruning forgets. Truth: votes counted one at a time, and pairs of models gone through."""

from collections import Counter
from itertools import combinations

import pytest
import torch

from prunegap.gaps import Outcomes
from prunegap.gaps.forgotten import disagreement, forgotten
from prunegap.report.forgotten_groups import forgotten_groups


def predictions(models: int, examples: int, classes: int, seed: int) -> torch.Tensor:
    return torch.randint(classes, (models, examples), generator=torch.Generator().manual_seed(seed))


def most_predicted(column: list[int]) -> set[int]:
    votes = Counter(column)
    return {name for name, count in votes.items() if count == max(votes.values())}


@pytest.mark.parametrize(("dense", "sparse", "classes"), [(5, 5, 3), (1, 4, 2), (4, 6, 7), (2, 2, 4)])
def test_forgotten_is_what_shares_no_most_predicted_class(dense, sparse, classes):
    before, after = predictions(dense, 200, classes, 0), predictions(sparse, 200, classes, 1)
    wanted = [
        not most_predicted(b) & most_predicted(a) for b, a in zip(before.T.tolist(), after.T.tolist(), strict=True)
    ]
    assert 0 < sum(wanted) < 200
    assert forgotten(before, after).tolist() == wanted


def test_disagreement_is_the_share_of_pairs_of_models_that_differ():
    found = predictions(4, 50, 3, 2)
    wanted = [sum(a != b for a, b in combinations(column, 2)) / 6 for column in found.T.tolist()]
    differ = disagreement(found)
    assert differ is not None
    assert differ.tolist() == pytest.approx(wanted)
    assert disagreement(found[:1]) is None


def test_groups_are_counted_with_who_was_right():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    dense = [torch.tensor([0, 0, 1, 1, 2, 0]), torch.tensor([0, 0, 1, 1, 2, 0]), torch.tensor([1, 0, 1, 2, 2, 0])]
    sparse = [torch.tensor([1, 0, 1, 0, 2, 2])] * 3
    before, after = ([Outcomes(p, torch.zeros(6), p == labels) for p in models] for models in (dense, sparse))
    found = forgotten_groups(before, after, torch.tensor([0, 0, 0, 1, 1, 1]), ["a", "b", "nobody"], split="test")
    by_name = {one.name: one for one in (*found.groups, found.total)}
    assert found.places == {"a": [0], "b": [3, 5], "nobody": []}
    assert [one.name for one in found.groups] == ["b", "a", "nobody"]
    counted = {name: (g.examples, g.forgotten, g.right_before, g.right_after) for name, g in by_name.items()}
    assert counted == {"a": (3, 1, 1, 0), "b": (3, 2, 1, 1), "nobody": (0, 0, 0, 0), "all": (6, 3, 2, 1)}
    assert by_name["a"].dense_models_differ == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert (by_name["nobody"].low, by_name["nobody"].dense_models_differ) == (None, None)
    low, high = by_name["b"].low, by_name["b"].high
    assert low is not None
    assert high is not None
    assert 0 < low < 2 / 3 < high < 1
    assert found.lines()[0] == (
        " at 0 % sparsity, test: 3 of 6 examples are forgotten: 3 sparse models agree on another class than 3 dense "
        "models."
    )
