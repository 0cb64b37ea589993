"""The page of an audit. Truth: the audit's own numbers, against what an HTML parser reads."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from auditing.judged import WICKED, judged
from auditing.page import Page
from auditing.rows import FINE, HURT, SMALL, USUAL, Run, Write, table

from prunegap.auditing import Audit
from prunegap.report.audit_html import MOST_DRAWN, audit_page, audit_panel
from prunegap.report.plain_names import legal


def points(value: float | None) -> str:
    assert value is not None
    return f"{100 * value:+z.2f}"


def percent(value: float | None):
    assert value is not None
    return pytest.approx(100 * value, abs=0.005)


def page_of(*audits: Audit, **options) -> tuple[Page, str]:
    text = audit_page(audits, code_version="0.1.0+abc", **options)
    return Page(text), text


def charts(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(one) for one in re.findall(r"<figure>\n(.*?)\n<figcaption>", text, re.DOTALL)]


def test_the_page_is_whole_has_no_script_and_fetches_nothing() -> None:
    read, text = page_of(judged(WICKED), judged(HURT))
    assert read.open == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & {tag for tag, _ in read.tags}
    assert ("meta", {"http-equiv": "Content-Security-Policy",
                     "content": "default-src 'none'; style-src 'unsafe-inline'"}) in read.tags  # fmt: skip
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) == 6
    for _, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "style"}]
        if href := attributes.get("href"):
            assert href.removeprefix("#") in ids
        for described in (attributes.get("aria-labelledby") or "").split():
            assert described in ids
    assert not re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg|nowhere)", text)


@pytest.mark.parametrize("options", [{}, {"two_sided": True}, {"candidates": 4, "alpha": 0.1}])
def test_every_figure_of_every_group_is_in_the_table(options) -> None:
    found = judged(WICKED | SMALL, **options)
    read, _ = page_of(found)
    head, *rows = [row for row in read.rows if len(row) == 11]
    assert head[:4] == ["group", "excess gap", f"interval, {100 * (1 - found.alpha):g} % together", "by itself at most"]
    assert [row[0].removesuffix(" (small)") for row in rows] == [legal(one.name) for one in found.groups]
    for row, one in zip(rows, found.groups, strict=True):
        psi = one.excess_gap
        assert row[1] == points(psi.value)
        assert row[2] == f"{points(psi.low)} to {points(psi.high)}"
        assert row[3] == points(one.at_most)
        beyond = "beyond" if found.two_sided else "above"
        said = {"within": "within the tolerance", "above": f"{beyond} the tolerance"}
        assert row[4] == said.get(one.finding, f"neither within nor {beyond}")
        assert [row[5], *row[8:]] == [str(n) for n in (one.examples, one.lost, one.gained, one.needed or "-")]
        assert (float(row[6]), float(row[7])) == (percent(one.accuracy_before), percent(one.accuracy_after))
        assert row[0].endswith(" (small)") == (one.examples < 30)


def test_the_figures_of_all_groups_together_are_there() -> None:
    found = judged(HURT, candidates=3)
    read, _ = page_of(found)
    for bound, floor in (
        (found.max_psi, found.noise_floor_max_psi),
        (found.psi_pw, found.noise_floor_psi_pw),
    ):
        value, low, high, mean, most = (
            points(one) for one in (bound.value, bound.low, bound.high, floor.mean, floor.high)
        )
        assert (
            f"{value} points at least {low}, at most {high}; groups drawn at random come to {mean}, 95 % of them to "
            f"at most {most} (p = {floor.p:.2g}, 10,000 draws)"
        ) in read.words
    assert "98.18 % → 96.36 % over all 3,300 examples" in read.words
    assert "5.45 % of the examples are right with one model only" in read.words
    assert "Chosen among 3 models" in read.words
    assert "admitted with probability 1.67 % at most, one that hurts none is refused with 5 % at most" in read.words


def test_the_verdict_comes_first_in_words_with_whom_it_hurts_and_how_sure_that_is() -> None:
    hurt = judged(HURT)
    low = 100 * (hurt.groups[0].excess_gap.low or 0)
    assert (
        "May not ship Inadmissible at a tolerance of 2 points: 1 of 2 groups is shown to be above it. Group b loses "
        f"18.18 points more than the average, at least {low:.2f}. How sure: "
    ) in page_of(hurt)[0].words
    most = 100 * max(one.at_most or 0 for one in judged(FINE).groups)
    assert (
        "May ship Admissible at a tolerance of 2 points: every one of the 2 groups is shown to be within it. The worst "
        f"may lose at most {most:.2f} points more than the average."
    ) in page_of(judged(FINE))[0].words
    small = judged(SMALL)
    [left] = [one for one in small.groups if one.finding == "open"]
    assert (
        "Cannot be decided yet Undecidable at a tolerance of 2 points: no group is shown to be above it, but 1 of 2 "
        f"groups is not shown to be within it either. Group b may lose up to {100 * (left.at_most or 0):.2f} points "
        f"more than the average ({left.needed} examples would decide)."
    ) in page_of(small)[0].words
    gains = judged({"a": (3000, 0, 0), "b": (3000, 300, 0)}, two_sided=True)
    least = -100 * (gains.groups[1].excess_gap.high or 0)
    assert f"group a loses 5.00 points less than the average, at least {least:.2f}." in page_of(gains)[0].words


def test_an_accepted_undecidable_verdict_says_that_it_is_accepted_and_no_other_does() -> None:
    words = "Undecidable, accepted because of --accept-undecidable."
    for found, said in ((judged(SMALL), True), (judged(FINE), False), (judged(HURT), False)):
        assert (words in page_of(found, accept_undecidable=True)[0].words) == said
        assert ("How sure: not at all;" in page_of(found, accept_undecidable=True)[0].words) == said
        assert words not in page_of(found)[0].words
        assert "How sure: a model that" in page_of(found)[0].words
    both, _ = page_of(judged(SMALL), judged(HURT), accept_undecidable=True)
    assert "Inadmissible over 2 groupings: all must be admissible, one at fault is enough. By who: 1 of 2" in both.words


def test_what_was_left_out_or_merged_is_visible_and_what_it_rests_on_is_folded() -> None:
    found = judged(SMALL | {"c": (7, 1, 0), "d": (700, 7, 7)}, merge_below=10, leave_out=["d"])
    read, text = page_of(found)
    seen = text.partition("<details>")[0]
    assert len(found.notes) == 2
    for note in found.notes:
        assert f"<li>{note}</li>" in seen
    assert [tag for tag, _ in read.tags].count("details") == 3
    assert not [attributes for tag, attributes in read.tags if tag == "details" and "open" in attributes]
    assert "code version prunegap 0.1.0+abc" in read.words


def test_what_was_asked_for_and_the_files_are_told() -> None:
    found = replace(judged(SMALL, candidates=4, two_sided=True, alpha=0.1), files={"p&q.csv": "a1" * 32})
    words = page_of(found, accept_undecidable=True)[0].words
    for said in (
        "tolerance 2 points",
        "alpha 0.1: probability of a wrong admission, and of a wrong refusal",
        "candidates 4: models that this one was chosen among on these examples; each is admitted at 2.5 %",
        "two-sided yes: no group may gain more than the tolerance over the average either",
        "undecidable verdicts accepted because of --accept-undecidable",
        "keeps with 97.5 % by itself",
        f"p&q.csv sha256 {'a1' * 32}",
    ):
        assert said in words
    assert "undecidable verdicts not accepted" in page_of(found)[0].words


def test_the_picture_has_every_group_by_its_finding_with_the_tolerance_and_the_noise_floor() -> None:
    found = judged(WICKED)
    assert audit_panel(found)[0].floor == (0.0, found.noise_floor_max_psi.high)
    [picture] = charts(page_of(found)[1])
    kinds = [one.attrib["class"] for one in picture.iter() if one.get("class", "").startswith("mark ")]
    assert kinds == [f"mark {one.finding}" for one in found.groups]
    assert [one.attrib["class"] for one in picture.iter() if one.get("class") in {"tolerance", "floor"}] == [
        "floor",
        "tolerance",
    ]
    limits = [one for one in picture.iter() if one.get("class", "").startswith("limit ")]
    assert len(limits) == len([one for one in found.groups if one.examples >= 30]), "a small group's is off the axis"


def test_of_a_thousand_groups_the_harmed_are_drawn_and_the_rest_is_said() -> None:
    sizes = {f"g{at}": (60, 9 if at % 3 else 1, 2) for at in range(1000)} | {"big": (20_000, 7000, 0)}
    found = judged(sizes, tolerance=0.1)
    read, text = page_of(found)
    [picture] = charts(text)
    names = [one.text for one in picture.iter() if one.get("class") == "name"]
    assert len(names) == MOST_DRAWN
    order = [one.name for one in found.groups]
    assert names == sorted(names, key=lambda name: order.index(str(name))), "drawn in order of harm"
    at_fault = [one.name for one in found.groups if one.finding == "above"]
    assert at_fault == ["big"]
    assert "big" in names
    assert "40 of 1001 groups are drawn" in read.words
    assert "the other 961 are in the table" in read.words
    assert len([row for row in read.rows if len(row) == 11]) == 1002


def test_groups_at_fault_are_drawn_though_many_seem_to_be_harmed_more() -> None:
    found = judged({f"s{at}": (2, 2, 0) for at in range(60)} | {"big": (9000, 1200, 0), "rest": (9000, 0, 0)}, 0.05)
    assert [one.name for one in found.groups if one.finding == "above"] == ["big"]
    assert [one.name for one in found.groups].index("big") == 60
    [picture] = charts(page_of(found)[1])
    assert "big" in [one.text for one in picture.iter() if one.get("class") == "name"]


def test_the_command_writes_one_page_of_several_groupings_and_json_that_says_what_is_accepted(
    run: Run, write: Write, tmp_path
) -> None:
    rows = table(SMALL)
    rows["sex"] = ["f" if at % 2 else "m" for at in range(len(rows["who"]))]
    path = write("p.csv", rows)
    ended = run(path, *USUAL, "--group", "sex", "--each-group", "--html", "a.html", "--json", "a.json")
    assert (ended.code, ended.err) == (3, "")
    read = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert "Undecidable over 2 groupings" in read.words
    assert [attributes["href"] for tag, attributes in read.tags if tag == "a"] == ["#audit-0", "#audit-1"]
    assert "By who" in read.words
    assert "By sex" in read.words
    assert '"undecidable_accepted": false' in (tmp_path / "a.json").read_text()
    accepted = run(path, *USUAL, "--accept-undecidable", "--html", "b.html", "--json", "b.json")
    assert (accepted.code, accepted.err) == (0, "")
    lines = accepted.out.splitlines()
    assert (lines[0][:11], lines[1]) == ("UNDECIDABLE", "undecidable, accepted because of --accept-undecidable")
    assert '"undecidable_accepted": true' in (tmp_path / "b.json").read_text()
    assert "May ship, undecided" in Page((tmp_path / "b.html").read_text(encoding="utf-8")).words
    refused = run(write("h.csv", table(HURT)), *USUAL, "--accept-undecidable")
    assert (refused.code, "accepted" in refused.out) == (1, False)


@pytest.mark.parametrize("option", ["--html", "--json", "--sarif", "--junit"])
def test_a_place_that_no_file_can_take_is_refused_in_one_line_before_any_work(
    run: Run, write: Write, tmp_path, option: str
) -> None:
    path = write("p.csv", table(SMALL))
    content = path.read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken").write_text("mine")
    for place, said in (
        ("nowhere/a.file", "nowhere/a.file: no such folder as nowhere; make it first or choose another"),
        ("taken/a.file", "taken/a.file: no such folder as taken; make it first or choose another"),
        ("folder", "folder: must be a file, this is a folder"),
        ("p.csv", "p.csv: PREDICTIONS is the same file; choose another"),
    ):
        ended = run("p.csv", *USUAL, option, place)
        assert (ended.code, ended.out, ended.err) == (2, "", f"error: {option} {said}\n")
    other = "--json" if option == "--html" else "--html"
    ended = run("p.csv", *USUAL, option, "same", other, "./same")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(" is the same file; choose another\n")
    assert path.read_bytes() == content
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "p.csv", "taken"]


def test_a_full_or_read_only_disk_is_told_in_one_line_and_leaves_nothing(tmp_path, monkeypatch) -> None:
    from prunegap.errors import UserError
    from prunegap.report.written import write_text

    (tmp_path / "page.html").write_text("before")
    with pytest.raises(UserError, match=r"/dev/full|File name too long"):
        write_text(tmp_path / ("n" * 300), "text")
    with pytest.raises(UserError, match="nowhere/a: No such file or directory; choose another place"):
        write_text(tmp_path / "nowhere/a", "text")
    write_text(tmp_path / "page.html", "after")
    assert (tmp_path / "page.html").read_text() == "after"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
