"""SARIF and JUnit. Truth: the audit's own numbers, read back by parsers, and what GitHub and GitLab ask for.

GitHub: version 2.1.0, a driver with a name, rules with an id and texts of at most 1,024 characters, results with a
message, at least one location with a uri and a whole region, and a ``primaryLocationLineHash`` that tells them apart;
every result is a problem. GitLab: test names that differ within a class, texts inside the element.
"""

import json
from xml.etree import ElementTree

import pytest
from auditing.judged import WICKED, judged
from auditing.rows import FINE, HURT, OPEN, SMALL, USUAL, Run, Write, table

from prunegap.report.audit_words import together
from prunegap.report.junit import junit
from prunegap.report.plain_names import legal
from prunegap.report.sarif import sarif, uri_of

LEVELS = {"error", "warning", "note", "none"}
ACCEPTED = "undecidable, accepted because of --accept-undecidable"
CASES = {"fine": FINE, "hurt": HURT, "small": SMALL, "wicked": WICKED, "both": HURT | {"c": (30, 1, 1)}}


def results(log):
    [run] = log["runs"]
    return run["results"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("accept", [False, True])
def test_a_sarif_log_has_what_github_needs(case: str, accept: bool) -> None:
    log = json.loads(json.dumps(sarif([judged(CASES[case])], "p.csv", accept_undecidable=accept), allow_nan=False))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    assert set(log) == {"$schema", "version", "runs"}
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"][0].isdigit()) == ("prunegap audit", True)
    rules = {rule["id"]: rule for rule in driver["rules"]}
    assert len(rules) == 2
    for rule in rules.values():
        texts = [rule[part]["text"] for part in ("shortDescription", "fullDescription", "help")]
        assert all(0 < len(text) <= 1024 for text in texts)
        assert rule["defaultConfiguration"]["level"] in LEVELS
    hashes = [one["partialFingerprints"]["primaryLocationLineHash"] for one in run["results"]]
    assert len(set(hashes)) == len(hashes)
    for result in run["results"]:
        assert list(rules)[result["ruleIndex"]] == result["ruleId"]
        assert (result["level"] in LEVELS, result["kind"]) == (True, "fail")
        assert result["message"]["text"]
        [location] = [one["physicalLocation"] for one in result["locations"]]
        assert location["artifactLocation"]["uri"] == "p.csv"
        assert set(location["region"].values()) == {1}
        assert len(location["region"]) == 4


def test_groups_above_are_errors_open_ones_warnings_and_those_within_no_results() -> None:
    found = judged(CASES["both"])
    findings = {one.name: one.finding for one in found.groups}
    assert findings == {"a": "within", "b": "above", "c": "open"}
    levels = {one["properties"]["group"]: (one["level"], one["ruleId"]) for one in results(sarif([found], "p.csv"))}
    assert levels == {"b": ("error", "group-above-tolerance"), "c": ("warning", "group-undecided")}
    assert results(sarif([judged(FINE)], "p.csv")) == []


def test_a_message_has_the_group_its_figures_and_their_limits() -> None:
    found = judged(HURT)
    [one] = [group for group in found.groups if group.finding == "above"]
    low, high, alone = (100 * (end or 0) for end in (one.excess_gap.low, one.excess_gap.high, one.at_most))
    said = (
        "Group b (by who): loses 18.18 points more than the average, above the tolerance of 2 points. Excess accuracy "
        f"gap +18.18 points, between {low:+.2f} and {high:+.2f} (all groups together with 95 %), by itself at most "
        f"{alone:+.2f}; 300 examples, of which 60 were lost and 0 gained."
    )
    assert results(sarif([found], "p.csv"))[0]["message"]["text"] == said
    case = ElementTree.fromstring(junit([found])).find("testsuite/testcase")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert (case.get("name"), failure.get("message"), failure.text) == ("b", said, said)


def test_a_groups_fingerprint_stays_while_its_figures_change_and_is_no_other_groups() -> None:
    def prints(**options):
        sizes = {"a": (3000, 60, 60), "b": (30, options.pop("lost", 1), 1), "c": (20, 1, 0)}
        log = sarif([judged(sizes, **options)], options.get("uri", "p.csv"))
        return {one["properties"]["group"]: one["partialFingerprints"] for one in results(log)}

    first = prints()
    assert set(first) == {"b", "c"}
    assert first["b"] != first["c"]
    assert prints(lost=2, tolerance=0.03) == first


def test_names_make_no_links_and_files_have_their_digests() -> None:
    from dataclasses import replace

    found = replace(judged(WICKED), files={"p.csv": "a" * 64, "other file.parquet": "b" * 64})
    log = sarif([found], "data/p.csv")
    assert not [one for one in results(log) if "](" in one["message"]["text"]]
    assert log["runs"][0]["artifacts"] == [
        {"location": {"uri": "data/p.csv"}, "hashes": {"sha-256": "a" * 64}},
        {"location": {"uri": "other%20file.parquet"}, "hashes": {"sha-256": "b" * 64}},
    ]


def test_an_accepted_verdict_is_a_note_that_is_suppressed_and_a_skipped_test() -> None:
    small, hurt = judged(SMALL), judged(HURT)
    log = sarif([small], "p.csv", accept_undecidable=True)
    [result] = results(log)
    assert result["level"] == "note"
    assert result["suppressions"] == [{"kind": "external", "justification": "--accept-undecidable"}]
    assert result["message"]["text"].endswith(f"The verdict is {ACCEPTED}.")
    assert log["runs"][0]["properties"] == {"verdicts": {"who": ACCEPTED}}
    assert "suppressions" not in results(sarif([small], "p.csv"))[0]
    assert "suppressions" not in results(sarif([hurt], "p.csv", accept_undecidable=True))[0]
    suite = ElementTree.fromstring(junit([small], accept_undecidable=True))[0]
    assert "How sure: not at all;" in (suite.findtext("system-out") or "")
    [skipped] = suite.findall("testcase/skipped")
    assert (skipped.get("message") or "").startswith(f"{ACCEPTED}: Group b (by who): ")
    assert [one.get("value") for one in suite.iter("property") if one.get("name") == "verdict"] == [ACCEPTED]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("accept", [False, True])
def test_tests_fail_exactly_where_the_exit_status_refuses(case: str, accept: bool) -> None:
    found = judged(CASES[case])
    root = ElementTree.fromstring(junit([found], accept_undecidable=accept))
    [suite] = root
    cases = suite.findall("testcase")
    assert [one.get("name") for one in cases] == [legal(one.name) for one in found.groups]
    passes = found.verdict == "admissible" or (accept and found.verdict == "undecidable")
    assert (root.get("failures") == "0") == passes
    for one, group in zip(cases, found.groups, strict=True):
        looks_passed = one.find("failure") is None and one.find("skipped") is None
        assert looks_passed == (group.finding == "within")
        assert one.get("classname") == "prunegap audit by who"
    for element in (root, suite):
        assert (element.get("tests"), element.get("errors")) == (str(len(cases)), "0")
        assert element.get("failures") == str(len(root.findall(".//failure")))
        assert element.get("skipped") == str(len(root.findall(".//skipped")))


def test_an_undecided_group_fails_by_another_type_than_a_harmed_one() -> None:
    root = ElementTree.fromstring(junit([judged(CASES["both"])]))
    assert {one.get("name"): one[0].get("type") for one in root.iter("testcase") if one[0].tag == "failure"} == {
        "b": "above tolerance",
        "c": "undecidable",
    }


def test_several_groupings_are_one_run_and_several_suites() -> None:
    from dataclasses import replace

    both = [judged(SMALL), replace(judged(HURT), grouping="sex", notes=("left out <b>",))]
    assert together(both) == "inadmissible"
    [run] = sarif(both, "p.csv")["runs"]
    assert [one["properties"]["grouping"] for one in run["results"]] == ["who", "sex"]
    assert len({one["partialFingerprints"]["primaryLocationLineHash"] for one in run["results"]}) == 2
    assert run["invocations"] == [{"executionSuccessful": True, "exitCodeDescription": "inadmissible"}]
    root = ElementTree.fromstring(junit(both))
    assert [suite.get("name") for suite in root] == ["who", "sex"]
    assert (root.get("tests"), root.get("failures")) == ("4", "2")
    assert (root[1].findtext("system-out") or "").endswith("left out <b>")


def test_a_file_is_named_as_github_finds_it(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert uri_of("data/my table.csv") == "data/my%20table.csv"
    assert uri_of("./data/p.csv") == "data/p.csv"
    assert uri_of(str(tmp_path / "p.csv")) == "p.csv"
    assert uri_of("/elsewhere/p.csv") == "file:///elsewhere/p.csv"
    assert uri_of("s3://bucket/a b.csv") == "s3://bucket/a%20b.csv"


def test_the_command_writes_both(run: Run, write: Write, tmp_path) -> None:
    path = write("p.csv", table(SMALL))
    ended = run(path.name, *USUAL, "--sarif", "a.sarif", "--junit", "a.xml")
    assert (ended.code, ended.err) == (3, "")
    assert OPEN in ended.out
    log = json.loads((tmp_path / "a.sarif").read_text())
    assert results(log)[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "p.csv"
    assert list(log["runs"][0]["artifacts"][0]["hashes"]) == ["sha-256"]
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert (root.tag, root.get("failures")) == ("testsuites", "1")
    run(path.name, *USUAL, "--accept-undecidable", "--sarif", "b.sarif", "--junit", "b.xml")
    assert results(json.loads((tmp_path / "b.sarif").read_text()))[0]["level"] == "note"
    assert ElementTree.parse(tmp_path / "b.xml").getroot().get("skipped") == "1"
