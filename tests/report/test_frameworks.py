"""Evidence by clause. Truth: binomial tails summed by hand, the audit's own record, and JSON read back."""

import json
from math import comb

import pytest
from report.audited import NAMES, facts, judged

from prunegap.report.clauses import AI_ACT, CLAUSES, NIST
from prunegap.report.frameworks import evidence


def entries(told):
    return {(one["framework"], one["clause"]): one for one in told["entries"]}


def tail(right, examples, share):
    """Probability of at least ``right`` of ``examples``."""
    return sum(comb(examples, k) * share**k * (1 - share) ** (examples - k) for k in range(right, examples + 1))


def test_evidence_survives_json_and_says_when_the_texts_were_read_and_that_it_claims_nothing():
    told = evidence(facts(), judged())
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["schema_version"], told["read_on"]) == (1, "2026-11-30")
    assert "Nothing here says that a system meets a clause" in told["note"]
    assert told["model"] == {"name": "cifar_resnet56", "method": "ceag", "target": "age", "seed": 7}


def test_every_clause_has_its_place_what_it_asks_figures_and_what_they_leave_open():
    told = entries(evidence(facts(), judged()))
    assert list(told) == [
        (AI_ACT, "Annex IV, point 2(g)"),
        (AI_ACT, "Annex IV, point 3"),
        (AI_ACT, "Article 13(3), point (b)(ii)"),
        (AI_ACT, "Article 13(3), point (b)(v)"),
        (AI_ACT, "Article 15(3)"),
        (NIST, "MEASURE 2.1"),
        (NIST, "MEASURE 2.3"),
        (NIST, "MEASURE 2.5"),
        (NIST, "MEASURE 2.11"),
    ]
    for one in told.values():
        assert one["figures"]
        for sentence in (one["asks"], one["not_covered"]):
            assert sentence.endswith(".")
            assert sentence.count(". ") == 0
    words = " ".join(one.asks + one.not_covered for one in CLAUSES).lower()
    assert not [word for word in ("complies", "compliant", "complying", "conforms") if word in words]


def test_the_groups_clause_has_each_groups_accuracy_and_gap_with_limits():
    one = judged()
    figures = entries(evidence(facts(), one))[AI_ACT, "Annex IV, point 3"]["figures"]
    assert [figures["accuracy"][when]["value"] for when in ("before", "after")] == [
        one.accuracy_before,
        one.accuracy_after,
    ]
    assert {told["group"] for told in figures["group_accuracies"]} == set(NAMES)
    for group, accuracy, gap in zip(one.groups, figures["group_accuracies"], figures["excess_gaps"], strict=True):
        assert accuracy["group"] == gap["group"] == group.name
        assert (accuracy["before"]["value"], accuracy["after"]["value"]) == (
            group.accuracy_before,
            group.accuracy_after,
        )
        told = group.excess_gap
        assert (gap["value"], gap["low"], gap["high"]) == (told.value, told.low, told.high)
        assert (gap["at_most_alone"], gap["shown_to_be"]) == (group.at_most, group.finding)
        assert (gap["unit"], gap["limits"]) == ("fraction", group.excess_gap.limits)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_limits_of_an_accuracy_leave_half_of_alpha_in_each_binomial_tail(alpha):
    one = judged(alpha=alpha, examples=300)
    figures = entries(evidence(facts(), one))[AI_ACT, "Annex IV, point 3"]["figures"]
    told = [(figures["accuracy"]["after"], 300)]
    by_group = zip(figures["group_accuracies"], one.groups, strict=True)
    told += [(accuracy["after"], group.examples) for accuracy, group in by_group]
    for accuracy, examples in told:
        right = round(accuracy["value"] * examples)
        assert 0 < right < examples
        assert tail(right, examples, accuracy["low"]) == pytest.approx(alpha / 2, rel=1e-6)
        assert 1 - tail(right + 1, examples, accuracy["high"]) == pytest.approx(alpha / 2, rel=1e-6)
        assert accuracy["limits"] == f"two-sided {100 * (1 - alpha):g} %, this figure alone"


def test_the_bias_clause_has_the_largest_gaps_with_bounds_the_noise_and_the_verdict():
    one = judged(tolerance=0.04, candidates=3, two_sided=True)
    figures = entries(evidence(facts(), one))[NIST, "MEASURE 2.11"]["figures"]
    for name, bound, floor in (
        ("max_psi", one.max_psi, one.noise_floor_max_psi),
        ("psi_pw", one.psi_pw, one.noise_floor_psi_pw),
    ):
        told = figures[name]
        assert (told["value"], told["low"], told["high"]) == (bound.value, bound.low, bound.high)
        assert told["groups_at_random"] == {"mean": floor.mean, "high_95": floor.high, "p": floor.p}
        assert told["limits"] == "one-sided 95 % each"
    verdict = figures["verdict"]
    assert verdict.pop("reason")
    assert verdict == {"word": one.verdict, "tolerance": 0.04, "two_sided": True, "alpha": 0.05, "candidates": 3}


def test_the_clause_on_test_sets_has_data_sizes_notes_and_digests():
    one = judged(leave_out=[NAMES[0]])
    figures = entries(evidence(facts(), one))[NIST, "MEASURE 2.1"]["figures"]
    data = figures["evaluation_data"]
    assert {told["group"]: told["examples"] for told in data["groups"]} == {
        group.name: group.examples for group in one.groups
    }
    assert data["notes"] == list(one.notes) != []
    assert (data["data_set"], data["split"], data["groups_by"], data["examples"]) == (
        "UTKFace 64",
        "test",
        "region",
        sum(group.examples for group in one.groups),
    )
    assert figures["provenance"] == {
        "prunegap": "1.2.3",
        "digests": {"model": "ab12", "data set": "cd34"},
        "files_sha256": {},
    }
