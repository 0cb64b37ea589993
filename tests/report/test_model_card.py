"""Model cards. Truth: a CommonMark parser that reads the card back, and plain loops over the examples."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt
from report.audited import NAMES, answers, facts, judged

from prunegap.report.markdown import escaped, one_line
from prunegap.report.model_card import markdown_card

SECTIONS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
    "Provenance",
]


def tokens(card):
    return MarkdownIt("gfm-like", {"linkify": False}).parse(card)


def plain(inline):
    """What a reader sees of a piece of text."""
    seen = ("text", "text_special", "code_inline", "html_inline")
    return "".join(
        " " if one.type == "softbreak" else one.content for one in inline.children if one.type in (*seen, "softbreak")
    )


def texts(card, opening):
    return [plain(after) for before, after in pairwise(tokens(card)) if before.type == opening]


def table(card):
    cells = texts(card, "td_open")
    width = len(texts(card, "th_open"))
    return [cells[start : start + width] for start in range(0, len(cells), width)]


def flat(card):
    """The card without its line breaks."""
    return " ".join(card.split())


def by_loop():
    """Per group: examples, accuracy before and after in percent, excess gap in points."""
    group, before, after = answers()
    overall = sum(int(b) - int(a) for b, a in zip(before, after, strict=True)) / len(group)
    rows = {}
    for at, name in enumerate(NAMES):
        mine = [(int(b), int(a)) for g, b, a in zip(group, before, after, strict=True) if g == at]
        first, second = (sum(pair[k] for pair in mine) / len(mine) for k in (0, 1))
        rows[one_line(name)] = (len(mine), 100 * first, 100 * second, 100 * (first - second - overall))
    return rows


def test_a_card_has_the_sections_of_mitchell_et_al_in_their_order_and_the_provenance():
    card = markdown_card(facts(), judged())
    headings = texts(card, "heading_open")
    assert headings == ["cifar_resnet56, ceag", *SECTIONS]


def test_the_table_of_groups_says_what_a_loop_over_the_examples_finds_whatever_a_group_is_called():
    rows = table(markdown_card(facts(), judged()))
    expected = by_loop()
    assert len(rows) == len(expected) == 5
    for name, examples, before, after, psi, *_ in rows:
        figures = expected[name]
        assert int(examples) == figures[0]
        assert (before[-2:], after[-2:]) == (" %", " %")
        assert float(before[:-2]) == pytest.approx(figures[1], abs=0.005001)
        assert float(after[:-2]) == pytest.approx(figures[2], abs=0.005001)
        assert float(psi) == pytest.approx(figures[3], abs=0.005001)


def test_each_groups_limits_stand_beside_it_and_its_finding_in_words():
    one = judged()
    rows = {row[0]: row[5:] for row in table(markdown_card(facts(), one))}
    for group in one.groups:
        limits, alone, found = rows[one_line(group.name)]
        low, high = (float(part) for part in limits.split(" to "))
        told = [group.excess_gap.low, group.excess_gap.value, group.excess_gap.high, group.at_most]
        figures = [100 * value for value in told if value is not None]
        assert [low, float(alone), high] == pytest.approx([figures[0], figures[3], figures[2]], abs=0.005001)
        assert low <= figures[1] <= high
        assert found.startswith({"within": "within", "above": "above", "open": "neither"}[group.finding])


@pytest.mark.parametrize(
    "name",
    [*NAMES, "- x", "1) y", "2. z", "+ w", "=", "---", "a #", "## b ##", "a\u2028b\x00c\td", "\u202egnp", "a\\|b"],
)
def test_a_name_is_read_back_as_it_was_but_for_line_breaks_and_control_signs(name):
    shown = escaped(name)
    page = f"# {shown}\n\n- {shown}\n\n{shown}\n\n| {shown} |\n| --- |\n| {shown} |\n"
    seen = texts(page, "heading_open") + texts(page, "paragraph_open") + texts(page, "th_open") + texts(page, "td_open")
    assert seen == [one_line(name)] * 5
    allowed = {"inline", "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"}
    allowed |= {
        f"{part}_{side}"
        for part in ("heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td")
        for side in ("open", "close")
    }
    assert {one.type for one in tokens(page)} <= allowed
    assert not [
        child for one in tokens(page) for child in one.children or [] if child.type not in ("text", "text_special")
    ]


def test_one_line_keeps_joiners_and_drops_what_breaks_lines_or_turns_text_round():
    assert one_line(" a\r\n\x1b[1m b\u2029c\u202ed\u00a0e 👩\u200d👧 ") == "a [1m b c d e 👩\u200d👧"


def test_what_only_a_person_knows_is_marked_as_not_filled_in_and_a_license_that_is_told_is_not():
    card = markdown_card(facts(), judged())
    assert card.count("**not filled in**") == 8
    assert "License: **not filled in**" in card
    licensed = markdown_card(facts(license="apache-2.0"), judged())
    assert "- License: apache-2.0\n" in licensed
    assert licensed.count("**not filled in**") == 7


def test_the_verdict_comes_first_in_words_with_the_tolerance_in_points():
    harmed = markdown_card(facts(), judged(tolerance=0.02))
    fine = markdown_card(facts(), judged(harm=0.0))
    opened = markdown_card(facts(), judged(tolerance=0.06, harm=0.07, examples=400))
    assert texts(harmed, "paragraph_open")[0].startswith(
        "Inadmissible at a tolerance of 2 points: shown to be above it:"
    )
    assert texts(fine, "paragraph_open")[0] == (
        "Admissible at a tolerance of 5 points: every group is shown to be within it."
    )
    assert texts(opened, "paragraph_open")[0].startswith("Undecidable at a tolerance of 6 points:")
    assert "Neither shown to be within the tolerance nor above it" not in flat(fine)
    assert "Neither shown to be within the tolerance nor above it" in flat(opened)


def test_sparsity_is_told_as_asked_and_achieved_and_not_at_all_of_a_model_that_is_not_pruned():
    card = markdown_card(facts(), judged())
    assert "- Sparsity: 99.5 % of the prunable weights asked for, 99.49 % achieved - Seed of training: 7" in flat(card)
    other = markdown_card(facts(sparsity=None, achieved_sparsity=None, seed=None, method="int8"), judged())
    assert "Sparsity" not in other
    assert "seed" not in other.lower()


def test_limits_name_the_smallest_group_the_split_the_candidates_and_both_sides():
    card = markdown_card(facts(), judged())
    plain_card = flat(card)
    assert "trained on. They say" not in plain_card
    assert "chosen among" not in plain_card
    assert "gain more than the tolerance either" not in plain_card
    more = flat(markdown_card(facts(split="train"), judged(candidates=4, two_sided=True, leave_out=[NAMES[0]])))
    assert "trained on. They say" in more
    assert "chosen among 4 models" in more
    assert "gain more than the tolerance either" in more
    assert "the group a\\|b" in more
    smallest = min(by_loop().items(), key=lambda one: one[1][0])
    limit = next(line for line in texts(card, "paragraph_open") if line.startswith("The smallest group"))
    assert limit.startswith(f"The smallest group, {smallest[0]}, has {smallest[1][0]} examples: taken alone")


def test_the_text_has_both_accuracies_the_churn_the_bounds_and_the_noise_floors_with_their_units():
    one = judged(alpha=0.1)
    card = markdown_card(facts(), one)
    group, before, after = answers()
    changed = sum(b != a for b, a in zip(before, after, strict=True)) / len(group)
    starts = (f"Accuracy {100 * before.mean():.2f}".rstrip("0"), "Largest excess gap", "Largest difference")
    accuracy, largest, spread = (text for text in texts(card, "paragraph_open") if text.startswith(starts))
    assert [float(part) for part in re.findall(r"([\d.]+) %", accuracy)] == pytest.approx(
        [100 * before.mean(), 100 * after.mean(), 100 * changed], abs=0.005001
    )
    for text, bound, floor in (
        (largest, one.max_psi, one.noise_floor_max_psi),
        (spread, one.psi_pw, one.noise_floor_psi_pw),
    ):
        figures = [100 * value for value in (bound.value, bound.low, bound.high, floor.mean, floor.high)]
        assert "each with 90 %" in text
        assert [float(part) for part in re.findall(r"[+-]\d+\.\d+", text)] == pytest.approx(figures, abs=0.005001)
    assert "for all groups together with 90 %" in flat(card)
    assert "with a probability of 10 % at most" in flat(card)


def test_groups_that_are_shown_to_lose_more_than_the_average_are_named_though_within_or_undecided():
    harmed = texts(markdown_card(facts(), judged()), "paragraph_open")
    assert f"Shown to lose more than the average, all together with 95 %: {one_line(NAMES[-1])}." in harmed
    alike = texts(markdown_card(facts(), judged(harm=0.0)), "paragraph_open")
    assert "No group is shown to lose more than the average." in alike
    assert not [text for text in alike if text.startswith("Shown to lose")]


def test_the_card_says_how_accuracy_spreads_over_the_groups_before_and_after():
    rows = by_loop().values()
    (said,) = [text for text in texts(markdown_card(facts(), judged()), "paragraph_open") if "compares two" in text]
    spread = [min(row[1] for row in rows), max(row[1] for row in rows), min(row[2] for row in rows)]
    found = [float(part) for part in re.findall(r"([\d.]+) %", said)]
    assert found == pytest.approx([*spread, max(row[2] for row in rows)], abs=0.005001)


def test_a_group_that_gains_too_much_is_not_said_to_lose():
    one = judged(tolerance=0.03, two_sided=True, harm=0.5)
    gained = [group for group in one.groups if group.finding == "above" and (group.excess_gap.value or 0) < 0]
    rows = {row[0]: row[-1] for row in table(markdown_card(facts(), one))}
    assert len(gained) == 4
    assert {rows[one_line(group.name)] for group in gained} == {"gains more than the tolerance"}
    assert rows[one_line(NAMES[-1])] == "above the tolerance"


def test_provenance_has_version_digests_and_files():
    card = markdown_card(facts(), replace(judged(), files={"predictions_1.csv": "ef56"}))
    provenance = card.split("## Provenance")[1]
    assert re.findall(r"^- (.*)$", provenance, re.MULTILINE) == [
        "Judged by prunegap 1.2.3",
        "model: ab12",
        "data set: cd34",
        "predictions\\_1.csv (sha256): ef56",
    ]
