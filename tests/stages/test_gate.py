"""Truth: counts chosen here, and the audit of the same examples as a table of predictions, which takes another way."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from stages.tiny_values import judged

import prunegap
from prunegap.artifacts.evaluation import Evaluation, split_result
from prunegap.errors import NotAdmittedError, UserError
from prunegap.gaps import Outcomes, compare_outcomes
from prunegap.stages.gate import GateParams, gate

Sizes = Mapping[str, tuple[int, int, int]]
FINE: Sizes = {"a": (3000, 60, 60), "b": (3000, 60, 60)}
HURT: Sizes = {"a": (3000, 60, 60), "b": (300, 60, 0)}
SMALL: Sizes = {"a": (3000, 60, 60), "b": (30, 1, 1)}


def columns(sizes: Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who was right before, who after, and the groups: of each so many examples, lost and gained ones first."""
    groups = np.repeat(np.arange(len(sizes)), [examples for examples, _, _ in sizes.values()])
    place = np.concatenate([np.arange(examples) for examples, _, _ in sizes.values()])
    lost = np.repeat([one[1] for one in sizes.values()], [one[0] for one in sizes.values()])
    gained = np.repeat([one[2] for one in sizes.values()], [one[0] for one in sizes.values()])
    return ~((place >= lost) & (place < lost + gained)), place >= lost, groups


def evaluation(sizes: Sizes, **changes) -> Evaluation:
    before, after, groups = (torch.from_numpy(one) for one in columns(sizes))
    dense, sparse = (Outcomes(one.long(), torch.zeros(len(one)), one) for one in (before, after))
    measures = compare_outcomes(dense, sparse, groups, len(sizes), alpha=0.05)
    result = split_result(measures, list(sizes), 0.02)
    return replace(judged()[0][0], tolerance=0.02, group="who", splits={"test": result}, **changes)


def words(*evaluations: Evaluation, **params) -> list[str]:
    return [one.audit.verdict for one in gate(GateParams(**params), evaluations).models]


@pytest.mark.parametrize(("sizes", "word"), [(FINE, "admissible"), (HURT, "inadmissible"), (SMALL, "undecidable")])
def test_a_run_and_an_audit_of_its_predictions_come_to_the_same_verdict_and_figures(sizes: Sizes, word: str) -> None:
    before, after, groups = columns(sizes)
    names = np.array(list(sizes))[groups]
    audited = prunegap.audit(before=before.astype(int), after=after.astype(int), groups={"who": names}, tolerance=0.02)
    found = gate(GateParams(), (evaluation(sizes),)).models[0].audit
    assert (found.verdict, found) == (word, audited)


def test_the_tolerance_is_the_evaluations_own_unless_another_is_given() -> None:
    assert words(evaluation(FINE)) == ["admissible"]
    assert words(evaluation(FINE), tolerance=0.001) == ["undecidable"]
    assert words(evaluation(HURT), tolerance=0.5) == ["admissible"]


def test_many_candidates_take_an_admission_back() -> None:
    just: Sizes = {"a": (3000, 60, 60), "b": (560, 11, 11)}
    assert words(evaluation(just)) == ["admissible"]
    twice = [evaluation(just, seed=seed) for seed in range(8)]
    assert words(*twice) == ["undecidable"] * 8
    assert words(evaluation(just), candidates=8) == ["undecidable"]
    assert words(*twice, candidates=1) == ["admissible"] * 8


def test_a_fixed_sequence_pays_nothing_for_its_length_and_ends_at_the_first_that_is_not_admitted() -> None:
    just: Sizes = {"a": (3000, 60, 60), "b": (560, 11, 11)}
    at = {0.9: just, 0.5: FINE, 0.95: SMALL, 0.8: just, 0.98: just}
    sweep = [evaluation(sizes, sparsity=sparsity) for sparsity, sizes in at.items()]
    verdict = gate(GateParams(rule="fixed_sequence"), tuple(sweep))
    found = {one.sparsity: one.audit for one in verdict.models}
    assert {sparsity: audit.verdict for sparsity, audit in found.items()} == {
        0.5: "admissible", 0.8: "admissible", 0.9: "admissible", 0.95: "undecidable", 0.98: "undecidable",
    }  # fmt: skip
    assert {audit.candidates for audit in found.values()} == {1}
    assert any("not tested: " in note and "95 %" in note for note in found[0.98].notes)
    assert not any("not tested" in note for note in found[0.95].notes)
    lines = verdict.files["verdict.md"].decode().splitlines()
    assert any(line.startswith(f"- sparsest admissible model: {sweep[0].shown_name} 90 % seed 0") for line in lines)


def test_every_method_and_seed_has_a_sequence_of_its_own_and_all_share_alpha() -> None:
    sweep = [
        evaluation(sizes, sparsity=sparsity, seed=seed)
        for seed, first in ((0, HURT), (1, FINE))
        for sparsity, sizes in ((0.5, first), (0.9, FINE))
    ]
    verdict = gate(GateParams(rule="fixed_sequence"), tuple(sweep))
    assert [one.audit.verdict for one in verdict.models] == ["inadmissible", "undecidable", "admissible", "admissible"]
    assert {one.audit.candidates for one in verdict.models} == {2}


def test_a_gate_stays_shut_for_what_does_not_pass_and_names_model_groups_and_reason(tmp_path) -> None:
    def admitted(*evaluations: Evaluation, **params) -> None:
        gate(GateParams(**params), evaluations).save(tmp_path)
        GateParams(**params).admit({"verdict": tmp_path})

    admitted(evaluation(FINE))
    admitted(evaluation(SMALL), accept_undecidable=True)
    admitted(evaluation(HURT), enforce=False)
    with pytest.raises(NotAdmittedError, match=r"seed 0: undecidable at a tolerance of 2 points: .*: b$") as shut:
        admitted(evaluation(SMALL))
    assert shut.value.verdict == "undecidable"
    with pytest.raises(
        NotAdmittedError, match=r"inadmissible at a tolerance of 2 points: shown to be above it: b"
    ) as shut:
        admitted(evaluation(FINE, seed=1), evaluation(HURT), evaluation(SMALL, seed=2), accept_undecidable=True)
    assert (shut.value.verdict, len(str(shut.value).splitlines())) == ("inadmissible", 1)


def test_it_judges_on_test_or_on_the_last_part_there_is_and_says_what_training_examples_are_worth() -> None:
    one = evaluation(FINE)
    result = one.splits["test"]
    every = replace(one, splits={"train": result, "validation": result, "test": result})
    assert gate(GateParams(), (every,)).split == "test"
    assert gate(GateParams(), (replace(one, splits={"train": result, "validation": result}),)).split == "validation"
    alone = gate(GateParams(), (replace(one, splits={"train": result}),))
    assert (alone.split, "trained on" in alone.models[0].audit.notes[0]) == ("train", True)
    with pytest.raises(UserError, match=r"split tests: .* has no such part; did you mean 'test'\?"):
        gate(GateParams(split="tests"), (every,))


def test_small_groups_are_merged_or_left_out_by_name_and_the_verdict_says_so() -> None:
    sizes: Sizes = {**FINE, "c": (20, 0, 0), "d": (30, 1, 0)}
    found = gate(GateParams(merge_below=100), (evaluation(sizes),)).models[0].audit
    assert {(one.name, one.examples, one.lost, one.gained) for one in found.groups} == {
        ("a", 3000, 60, 60), ("b", 3000, 60, 60), ("(others)", 50, 1, 0),
    }  # fmt: skip
    assert found.notes == ("2 groups of fewer than 100 examples are judged as one, (others): c, d",)
    none = gate(GateParams(merge_below=100), (evaluation({**sizes, "e": (0, 0, 0)}),)).models[0].audit
    assert {(one.name, one.examples) for one in none.groups if one.finding == "open"} == {("(others)", 50), ("e", 0)}
    left = gate(GateParams(leave_out=("c", "d")), (evaluation(sizes),)).models[0].audit
    assert (left.verdict, left.examples) == ("admissible", 6000)
    assert left.notes == ("the group c (20 examples) is left out", "the group d (30 examples) is left out")


def test_an_empty_group_is_never_fine_and_takes_no_share_of_alpha() -> None:
    found = gate(GateParams(), (evaluation({**FINE, "nobody": (0, 0, 0)}),)).models[0].audit
    assert found.verdict == "undecidable"
    empty = next(one for one in found.groups if one.name == "nobody")
    assert (empty.finding, empty.accuracy_before, empty.excess_gap.value, empty.needed) == ("open", None, None, None)
    full = gate(GateParams(), (evaluation(FINE),)).models[0].audit
    assert [one for one in found.groups if one.name != "nobody"] == list(full.groups)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(UserError, match="no evaluation to judge"):
        gate(GateParams(), ())
    with pytest.raises(UserError, match="an excess gap needs two groups or more, got 1"):
        gate(GateParams(), (evaluation({"a": (30, 1, 1)}),))
    with pytest.raises(UserError, match="leave out z: no such group"):
        gate(GateParams(leave_out=("z",)), (evaluation(FINE),))
    with pytest.raises(ValueError, match=r"must be >= 0, or -1 for each evaluation's own, got -0\.5"):
        GateParams(tolerance=-0.5)
    old = evaluation(FINE)
    groups = tuple(
        replace(one, estimates={name: value for name, value in one.estimates.items() if name != "lost_count"})
        for one in old.splits["test"].groups
    )
    with pytest.raises(UserError, match="without lost_count, of an earlier version; run evaluate again"):
        gate(GateParams(), (replace(old, splits={"test": replace(old.splits["test"], groups=groups)}),))
