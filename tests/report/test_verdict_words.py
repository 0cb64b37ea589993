"""What a verdict says in words, and limits over seeds. Truth: the evaluations' counts, and formulas by hand."""

from dataclasses import replace
from math import hypot, sqrt
from statistics import fmean, stdev

import pytest
from report.judging import verdict_on

from prunegap.artifacts.verdict import Verdict
from prunegap.errors import UserError
from prunegap.estimate import Estimate, Quantity
from prunegap.report.groups import method_groups
from prunegap.report.html import write_html
from prunegap.report.seed_mean import figure_text, mean_of_known
from prunegap.report.summary import summarise
from prunegap.report.verdict_text import method_verdicts, recommendation
from prunegap.stages.compare import CompareParams, compare
from prunegap.uncertainty import PairedCounts, over_seeds

SHARE = Quantity("share", "fraction", "A share.", least=0.0, most=1.0)


def test_the_recommendation_names_the_model_that_may_ship_or_says_why_none_may(simulate) -> None:
    evaluations = simulate(per_group=4000, seeds=(0,), sparsities=(0.5, 0.9))
    verdict = verdict_on(evaluations, tolerance=0.05)
    words = {one.name: one.audit.verdict for one in verdict.models}
    assert words["ceag 90 % seed 0"] == "admissible"
    assert words["nft 90 % seed 0"] == "inadmissible"
    first, *_ = recommendation(verdict).split(". ")
    count = list(words.values()).count("admissible")
    assert first == f"May ship: ceag 90 % seed 0, the sparsest of {count} admissible among 6 models"
    assert "at most 5 points more than the average" in recommendation(verdict)
    nft = [one for one in evaluations if one.method == "nft" and one.sparsity == 0.9]
    assert recommendation(verdict_on(nft)).startswith("No model may ship: each of 1 is shown to hurt a group")
    few = simulate(per_group=30, seeds=(0,), methods=("ceag",))
    assert recommendation(verdict_on(few)).startswith("No model may ship yet: none of 1 is shown to be admissible")


def test_the_models_of_a_method_are_counted_by_their_verdict_with_seeds_and_groups(simulate) -> None:
    evaluations = simulate(per_group=4000)
    verdict = verdict_on(evaluations, tolerance=0.05)
    sentences = dict(method_verdicts(verdict, 0.9))
    assert sentences["ceag"] == "of 3 models, at a tolerance of 5 points on test: 3 admissible (seed 0, 1, 2)."
    of_nft = "of 3 models, at a tolerance of 5 points on test: 3 inadmissible (seed 0, 1, 2; shown to be above: "
    assert sentences["nft"].startswith(of_nft)
    assert "Others" in sentences["nft"]


def test_a_comparison_refuses_a_verdict_on_other_evaluations(simulate) -> None:
    one, other = (replace(run, made_from={"evaluation": str(at)}) for at, run in enumerate(simulate(seeds=(0,))[:2]))
    with pytest.raises(UserError, match="verdict: it is about other evaluations than those given"):
        compare(CompareParams(), (one,), (), verdict_on([other]))


def test_a_verdict_is_read_back_as_it_was_saved(simulate, tmp_path) -> None:
    verdict = verdict_on(simulate(seeds=(0,), empty_group=True))
    verdict.save(tmp_path)
    assert Verdict.load(tmp_path) == verdict


def test_limits_of_excess_gaps_over_seeds_are_those_of_the_counts_and_one_seed_keeps_its_own(simulate) -> None:
    runs = [one for one in simulate() if one.method == "nft"]
    counts = [run.splits["test"].tally().counts for run in runs]
    stacked = PairedCounts.of(*([getattr(one, what) for one in counts] for what in ("examples", "lost", "gained")))
    limits = over_seeds(stacked, 0.05)
    (method,) = method_groups(runs, 0.9, "test")
    for at, group in enumerate(method.groups.values()):
        figure = group.figures["excess_gap"]
        assert (figure.low, figure.high) == pytest.approx((limits.low[at], limits.high[at]))
        assert limits.low[at] < figure.mean < limits.high[at]
    (alone,) = method_groups(runs[:1], 0.9, "test")
    for group, own in zip(alone.groups.values(), runs[0].splits["test"].groups, strict=True):
        assert group.figures["excess_gap"].low == pytest.approx(own.estimate("excess_gap").low)
    (trained,) = method_groups(runs, 0.9, "train")
    assert {group.figures["excess_gap"].high for group in trained.groups.values()} == {None}


def test_limits_of_a_mean_join_those_of_the_seeds_and_students(simulate) -> None:
    del simulate
    values = [0.5, 0.6, 0.7]
    figure = mean_of_known(SHARE, [Estimate(one, one - 0.1, one + 0.2, "") for one in values])
    spread = 4.302653 * stdev(values) / sqrt(3)
    assert figure is not None
    assert (figure.low, figure.high) == pytest.approx((0.6 - hypot(0.1, spread), min(1.0, 0.6 + hypot(0.2, spread))))
    single = mean_of_known(SHARE, [Estimate(0.5, 0.4, 0.7, "")])
    assert single is not None
    assert (single.low, single.high) == pytest.approx((0.4, 0.7))
    partly = mean_of_known(SHARE, [Estimate(0.5, 0.4, 0.7, ""), Estimate(0.7), Estimate(None)])
    assert partly is not None
    assert (partly.mean, partly.low, partly.high, partly.count) == (pytest.approx(fmean([0.5, 0.7])), None, None, 2)
    above = mean_of_known(SHARE, [Estimate(0.5, None, 0.7, "")])
    assert above is not None
    assert (above.low, above.high) == (None, pytest.approx(0.7))


def test_a_figure_with_limits_is_written_with_them_where_they_are_wanted() -> None:
    figure = mean_of_known(SHARE, [Estimate(0.0512, 0.0149, 0.2, "")])
    assert figure_text(figure, "fraction", signed=True, with_limits=True) == "+5.1 [1.5, 20.0]"
    assert figure_text(figure, "fraction") == "5.12"


def test_a_page_shows_a_verdict_where_there_is_one_split_alone(simulate, tmp_path) -> None:
    for splits in (("train",), ("test",)):
        evaluations = simulate(splits=splits, seeds=(0,))
        verdict = verdict_on(evaluations)
        page = tmp_path / "page.html"
        write_html(summarise(evaluations, verdict), evaluations, [], verdict, page, code_version="1", pictures=[])
        assert f"{splits[0]} split" in page.read_text(encoding="utf-8")
        assert recommendation(verdict)[:15] in page.read_text(encoding="utf-8")
