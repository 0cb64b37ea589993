"""The ranking and its words. Truth: groups whose order and figures are set by hand."""

from dataclasses import replace

import pytest
import torch

from prunegap.data.grouped import Split
from prunegap.diagnostics import Eigenvalue, GroupDiagnosis
from prunegap.gaps import Outcomes
from prunegap.report.group_risk import Diagnosis, Measured, group_risks
from prunegap.report.group_risk_text import shown
from prunegap.uncertainty import rank_correlation


def found(gradient_norm: float, eigenvalue: float, closeness: float, accuracy: float = 1.0) -> GroupDiagnosis:
    settled = Eigenvalue(eigenvalue, 0.0, 5, converged=True)
    return GroupDiagnosis(50, accuracy, 0.1, gradient_norm, closeness, settled, 50)


FOUND = (found(1.0, 9.0, 0.1), found(3.0, 5.0, 0.2), found(2.0, 7.0, 0.2), GroupDiagnosis(0))
NAMES = ("a", "b", "c", "nobody")


def held_out(right: list[int], examples: list[int]) -> tuple[Outcomes, Split]:
    groups = torch.tensor([g for g, n in enumerate(examples) for _ in range(n)])
    correct = torch.tensor([k < right[g] for g, n in enumerate(examples) for k in range(n)])
    zeros = torch.zeros(len(groups))
    images = torch.zeros(len(groups), 1, 2, 2, dtype=torch.uint8)
    return Outcomes(correct.long(), zeros, correct), Split(images, groups, groups)


def diagnosis(there: tuple[Outcomes, Split] | None, measured: tuple[Measured, ...] = ()) -> Diagnosis:
    return Diagnosis("net", 4, "test" if there else "", 0.05, group_risks(NAMES, FOUND, there, 0.05), measured)


def test_the_order_is_by_mean_rank_ties_share_theirs_and_a_group_without_examples_is_last_and_unranked() -> None:
    risks = group_risks(NAMES, FOUND, None, 0.05)
    assert [(one.name, one.mean_rank) for one in risks] == [
        ("b", pytest.approx((1 + 3 + 1.5) / 3)),
        ("c", pytest.approx((2 + 2 + 1.5) / 3)),
        ("a", pytest.approx((3 + 1 + 3) / 3)),
        ("nobody", None),
    ]
    lines = shown(diagnosis(None))
    assert lines[0] == "Most at risk when net (seed 4) is pruned: b, of 3 groups."
    expected = (
        "b: gradient norm 3 (largest), Hessian eigenvalue 5 (place 3) and closeness to the boundary 0.2 (place 1.5)."
    )
    assert lines[1] == expected
    assert "Without examples in train, and not ranked: nobody." in lines
    assert "There are no held-out examples: nothing says which training accuracy is memorised." in lines
    assert next(line for line in lines if line.startswith("nobody")).split() == ["nobody", "0", *"––––––"]


def test_training_accuracy_counts_as_memorised_only_where_the_limits_show_it() -> None:
    shows = shown(diagnosis(held_out([9, 20, 9, 5], [10, 40, 10, 5])))
    assert "It has 100.0 % right on train and 50.0 [" in shows[1]
    assert shows[1].endswith("points of its training accuracy are memorised.")
    same = [replace(one, accuracy=0.5) if one.examples else one for one in FOUND]
    risks = group_risks(NAMES, same, held_out([5, 20, 5, 0], [10, 40, 10, 0]), 0.05)
    shows = shown(Diagnosis("net", 4, "test", 0.05, risks, ()))
    assert shows[1].endswith("on test: no memorisation is shown.")
    nobody = next(one for one in risks if one.name == "nobody")
    assert (nobody.held_out.value, nobody.generalisation_gap.value) == (None, None)


def test_one_group_alone_is_not_ranked() -> None:
    risks = group_risks(("a", "b"), (FOUND[0], GroupDiagnosis(0)), None, 0.05)
    lines = shown(Diagnosis("net", 4, "", 0.05, risks, ()))
    assert lines[0] == "Groups of net (seed 4) cannot be ranked: 1 of 2 has examples in train."


def test_an_eigenvalue_that_did_not_settle_is_marked() -> None:
    open_one = Eigenvalue(9.0, 1.0, 40, converged=False)
    risks = group_risks(NAMES, (replace(FOUND[0], eigenvalue=open_one), *FOUND[1:]), None, 0.05)
    lines = shown(Diagnosis("net", 4, "", 0.05, risks, ()))
    assert [line.split()[0] for line in lines if "9~" in line] == ["a"]
    assert any(line.startswith("~: a lower bound") for line in lines)
    assert not any("~" in line for line in shown(diagnosis(None)))


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (2, "Of 2 groups even a perfect order has p = 1: they decide nothing."),
        (4, "Of 4 groups even a perfect order has p = 0.083: they decide nothing."),
        (9, "9 groups decide little."),
        (30, ""),
    ],
)
def test_few_groups_are_said_to_decide_little(groups: int, said: str) -> None:
    one = rank_correlation(list(range(groups)), list(range(groups)))
    names = ("ranking", "gradient_norm", "eigenvalue", "closeness", "generalisation_gap", "examples")
    measured = Measured(0.9, "nft", 3, {"train": dict.fromkeys(names, one)})
    lines = shown(diagnosis(None, (measured,)))
    told = next(line for line in lines if line.startswith("After nft at 90 % sparsity, mean of 3 models: the ranking"))
    assert "correlate by +1.00 on train (Spearman)." in told
    assert told.endswith(said or "(Spearman).")


def test_of_many_groups_the_first_are_shown_and_the_others_counted() -> None:
    many = [found(100.0 - k, 1.0, 0.1) for k in range(40)]
    lines = shown(Diagnosis("net", 4, "", 0.05, group_risks([f"g{k}" for k in range(40)], many, None, 0.05), ()))
    assert "... and 15 groups that stand lower (--json has all)" in lines
    assert lines[0] == "Most at risk when net (seed 4) is pruned: g0, then g1, then g2, of 40 groups."


def test_plain_values_have_no_number_that_json_lacks() -> None:
    plain = diagnosis(held_out([9, 20, 9, 0], [10, 40, 10, 0])).plain()
    nobody = plain["groups"][-1]
    assert (nobody["train"]["accuracy"], nobody["train"]["gradient_norm"], nobody["mean_rank"]) == (None, None, None)
    assert plain["groups"][0]["train"]["eigenvalue"]["value"] == 5.0
